"""Why an attachment cannot be fetched: what the sentences tell, and what they must not tell."""

import socket
from types import SimpleNamespace

import aiohttp
import pytest
from yarl import URL

from worker.channels.fetch_errors import NotPublicError, unreachable

KEY = SimpleNamespace(host="intranet.dealer.example", port=443, ssl=True, is_ssl=True)
URL_BY_NAME = URL("https://intranet.dealer.example/plan.pdf?token=secret")


def test_name_that_is_private_and_one_that_does_not_exist_look_the_same():
    private = unreachable(aiohttp.ClientConnectorError(KEY, NotPublicError()), URL_BY_NAME)
    unknown = unreachable(aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(-2, "unknown")), URL_BY_NAME)
    assert (private.reason, private.temporary) == (unknown.reason, unknown.temporary)
    assert "intranet.dealer.example" in private.reason
    assert "secret" not in private.reason


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "[fd00::1]", "127.1", "2130706433", "0x7f000001", "localhost", "a.localhost"]
)
def test_private_address_is_named_as_one_and_not_tried_again(host):
    error = unreachable(aiohttp.ClientConnectorError(KEY, NotPublicError()), URL(f"http://{host}/x"))
    assert "not a public address" in error.reason
    assert not error.temporary
