"""The client of a request is the socket's peer, unless a proxy that is named says otherwise."""

from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any

import pytest

from intake.client_address import UNKNOWN_CLIENT, ClientAddresses

PROXIES = ClientAddresses([ip_network("10.0.0.0/24"), ip_network("127.0.0.1"), ip_network("fd00::5")])


class Cycle:
    """What uvicorn's `receive` is bound to."""

    def __init__(self, peer: Any) -> None:
        self.transport = SimpleNamespace(get_extra_info=lambda name: {"peername": peer}[name])

    async def receive(self) -> dict[str, Any]:
        raise NotImplementedError


def found(peer: str | None, headers: dict[str, str], clients: ClientAddresses = PROXIES) -> tuple[Any, bool]:
    """The client's address, and whether it is unknown. The server believed a header that says 127.0.0.1."""
    scope: dict[str, Any] = {
        "client": ("127.0.0.1", 0),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    clients.put_into(scope, Cycle((peer, 4711) if peer else "").receive)
    return scope["client"][0], scope.get(UNKNOWN_CLIENT, False)


@pytest.mark.parametrize("peer", ["203.0.113.7", "127.0.0.1", "::1"])
def test_client_is_the_peer_where_no_proxy_forwarded_the_request(peer):
    assert found(peer, {"Host": "localhost"}) == (peer, False)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
        {"X-Real-IP": "127.0.0.1"},
    ],
)
@pytest.mark.parametrize("peer", ["203.0.113.7", "10.0.1.9", "::ffff:203.0.113.7"])
def test_headers_of_a_proxy_that_is_not_named_do_not_count(peer, headers):
    assert found(peer, headers) == (peer, True)


def test_headers_do_not_count_where_no_proxy_is_named():
    nobody = ClientAddresses([])
    assert found("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, nobody) == ("127.0.0.1", True)


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("127.0.0.1, 203.0.113.7", "203.0.113.7"),
        ("198.51.100.1, 203.0.113.7, 10.0.0.9", "203.0.113.7"),
        (" 203.0.113.7 ,127.0.0.1", "203.0.113.7"),
        ("10.0.0.8, 10.0.0.9", "10.0.0.8"),
        ("127.0.0.1", "127.0.0.1"),
        ("unknown", "unknown"),
        ("127.0.0.1:80", "127.0.0.1:80"),
        ("127.0.0.1, ", ""),
    ],
)
@pytest.mark.parametrize("peer", ["10.0.0.5", "::ffff:10.0.0.5", "fd00::5"])
def test_named_proxy_says_who_the_client_is(peer, forwarded, client):
    assert found(peer, {"X-Forwarded-For": forwarded}) == (client, False)


def test_named_proxy_that_sets_another_header_leaves_the_client_unknown():
    assert found("10.0.0.5", {"Forwarded": "for=127.0.0.1"}) == ("10.0.0.5", True)


def test_forged_header_is_undone_on_a_unix_socket():
    assert found(None, {"X-Forwarded-For": "127.0.0.1"})[1] is True


def test_server_that_does_not_show_its_socket_is_believed_without_headers_only():
    async def receive() -> dict[str, Any]:
        raise NotImplementedError

    for headers, unknown in (([], False), ([(b"x-forwarded-for", b"127.0.0.1")], True)):
        scope: dict[str, Any] = {"client": ("203.0.113.7", 4711), "headers": headers}
        ClientAddresses([]).put_into(scope, receive)
        assert (scope["client"][0], scope.get(UNKNOWN_CLIENT, False)) == ("203.0.113.7", unknown)
