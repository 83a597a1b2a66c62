"""Heads of requests: Host, Upgrade, transfer codings, HEAD, and how large they may be. Spoken as bytes."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from intake.app import create_app
from intake.wire import MAX_HEAD
from messages.settings import load_settings
from messages.store.migrating import migrate
from tests.integration.conftest import HELLO
from tests.servers.http import is_error, serve

JSON = b"Content-Type: application/json\r\n"
HOST = b"Host: localhost\r\n"


@pytest.fixture(scope="module")
def client(_valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """One intake for all tests here: none of them changes what another sees."""
    folder: Path = tmp_path_factory.mktemp("heads")
    database = f"sqlite:///{folder}/heads.db"
    migrate(database)
    settings = load_settings(_env_file=None, var_dir=folder, broker_url=_valkey, database_url=database)
    with serve(create_app(settings)) as url, httpx.Client(base_url=url, timeout=20) as client:
        yield client


@pytest.fixture
def connection(client: httpx.Client) -> Iterator[socket.socket]:
    address = urlsplit(str(client.base_url))
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=10) as connection:
        yield connection


def answered(connection: socket.socket, sent: bytes, method: str = "POST") -> httpx.Response:
    """Send this; the next answer on the connection, of which the rest stays open."""
    connection.sendall(sent)
    said = b""
    while b"\r\n\r\n" not in said:
        part = connection.recv(65536)
        assert part, f"the connection was closed after {said!r}"
        said += part
    head, _, body = said.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = [tuple(line.split(": ", 1)) for line in lines]
    length = int(dict(headers).get("content-length", 0)) if method != "HEAD" else 0
    while len(body) < length:
        body += connection.recv(length - len(body))
    assert len(body) == length
    return httpx.Response(int(status.split()[1]), headers=headers, content=body)


def posted(message_id: str, fields: bytes, *, chunked: bool = False) -> bytes:
    body = json.dumps({**HELLO, "id": message_id}).encode()
    head = b"POST /api/messages HTTP/1.1\r\n" + HOST + JSON + fields
    if chunked:
        return head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    return head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n"


@pytest.mark.parametrize(
    "fields",
    [
        H2C,
        b"Upgrade: websocket\r\nConnection: Upgrade\r\n",
        b"Connection: keep-alive\r\nConnection: upgrade\r\nUpgrade: h2c, websocket\r\n",
        b"Upgrade: TLS/1.0\r\nConnection: Upgrade\r\nExpect: nothing\r\n",
    ],
)
@pytest.mark.parametrize("chunked", [False, True])
def test_post_that_offers_an_upgrade_keeps_its_body(connection, fields, chunked):
    first = answered(connection, posted("order-1", fields, chunked=chunked))
    assert (first.status_code, first.json()["data"]["id"]) == (200, "order-1")
    second = answered(connection, posted("order-2", fields, chunked=chunked))
    assert (second.status_code, second.json()["data"]["id"]) == (200, "order-2")


def test_post_that_offers_an_upgrade_may_arrive_byte_by_byte(connection):
    sent = posted("order-1", H2C)
    for position in range(len(sent) - 1):
        connection.sendall(sent[position : position + 1])
    assert answered(connection, sent[-1:]).json()["data"]["id"] == "order-1"


def test_pipelined_posts_that_offer_an_upgrade_are_each_answered(connection):
    sent = b"".join(posted(f"order-{number}", H2C) for number in range(30))
    connection.sendall(sent + b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
    said = b""
    while part := connection.recv(65536):
        said += part
    assert said.count(b"HTTP/1.1 200 OK\r\n") == 31
    assert all(b'"id":"order-%d"' % number in said for number in range(30))


def test_upgrade_is_not_offered_to_a_head_that_is_wrong(connection):
    sent = posted("order-1", H2C).replace(HOST, b"Host: a b\r\n")
    is_error(answered(connection, sent), 400)


@pytest.mark.parametrize(
    "hosts",
    [
        b"",
        b"Host:\r\n",
        b"Host: \r\n",
        HOST + HOST,
        HOST + b"host: other\r\n",
        b"Host: local host\r\n",
        b"Host: localhost, other\r\n",
        b"Host: localhost,other\r\n",
        b"Host: me@localhost\r\n",
        b"Host: http://localhost\r\n",
        b"Host: localhost/x\r\n",
        b"Host: localhost:80x\r\n",
        b"Host: localhost:65536\r\n",
        b"Host: localhost:123456\r\n",
        b"Host: [::1\r\n",
        b"Host: ::1\r\n",
        b"Host: m\xc3\xbcller.example\r\n",
        b"Host: localhost?\r\n",
        b'Host: "localhost"\r\n',
    ],
)
def test_host_that_is_missing_repeated_or_wrong_is_400(connection, hosts):
    is_error(answered(connection, b"GET /healthz HTTP/1.1\r\n" + hosts + b"\r\n"), 400)


@pytest.mark.parametrize(
    "host",
    [
        b"localhost",
        b"LOCALHOST:8000",
        b"127.0.0.1:",
        b"[::1]:8000",
        b"my_service.example.",
        b"xn--mller.example",
    ],
)
def test_host_that_is_valid_is_served(connection, host):
    sent = b"GET /healthz HTTP/1.1\r\nHost: %b\r\n\r\n" % host
    assert answered(connection, sent).status_code == 200


def test_http_1_0_may_lack_a_host_but_not_have_two(client, connection):
    assert answered(connection, b"GET /healthz HTTP/1.0\r\n\r\n").status_code == 200
    address = urlsplit(str(client.base_url))
    with socket.create_connection((address.hostname, address.port), timeout=10) as other:
        is_error(answered(other, b"GET /healthz HTTP/1.0\r\n" + HOST + HOST + b"\r\n"), 400)


@pytest.mark.parametrize(
    ("coding", "code"),
    [
        (b"gzip, chunked", 501),
        (b"gzip", 501),
        (b"identity", 501),
        (b"xchunked", 501),
        (b"gzip\r\nTransfer-Encoding: chunked", 501),
        (b"chunked, chunked", 400),
        (b"chunked\r\nTransfer-Encoding: chunked", 400),
        (b"chunked\r\nTransfer-Encoding: gzip", 400),
        (b"chunked, gzip", 400),
        (b"chunked;q=1", 400),
        (b"", 400),
        (b"chunked\r\nContent-Length: 5", 400),
    ],
)
def test_transfer_coding_other_than_one_chunked_is_refused(connection, coding, code):
    head = b"POST /api/messages HTTP/1.1\r\n" + HOST + JSON
    is_error(answered(connection, head + b"Transfer-Encoding: %b\r\n\r\n0\r\n\r\n" % coding), code)


def test_transfer_coding_is_read_in_any_case(connection):
    sent = posted("order-1", b"", chunked=True).replace(b"chunked", b"CHUNKED")
    assert answered(connection, sent).json()["data"]["id"] == "order-1"


def test_refused_head_leaves_the_answer_before_it(connection):
    connection.sendall(posted("order-1", b"") + b"GET /healthz HTTP/1.1\r\n\r\n")
    said = b""
    while part := connection.recv(65536):
        said += part
    assert said.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b'"id":"order-1"' in said


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/docs", "/api/messages"])
def test_head_is_answered_like_get_without_its_body(client, connection, path):
    shown = client.get(path)
    head = answered(connection, b"HEAD %b HTTP/1.1\r\n%b\r\n" % (path.encode(), HOST), "HEAD")
    assert (head.status_code, head.headers["content-type"]) == (200, shown.headers["content-type"])
    if path != "/metrics":  # each request is counted there
        assert head.headers["content-length"] == str(len(shown.content))
    # What would follow a head wrongly would be read as the next answer.
    assert answered(connection, b"GET /healthz HTTP/1.1\r\n%b\r\n" % HOST).json()["success"] is True


def test_head_is_answered_like_get_where_get_fails(client, connection):
    for path, code in (("/api/messages/nobody", 404), ("/api/receipts/twilio/x", 405)):
        head = answered(connection, b"HEAD %b HTTP/1.1\r\n%b\r\n" % (path.encode(), HOST), "HEAD")
        assert head.status_code == client.get(path).status_code == code


FIELDS = b"X: %b\r\n" % (b"y" * 995)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /healthz HTTP/1.1\r\n" + HOST + FIELDS * (MAX_HEAD // len(FIELDS) + 1) + b"\r\n",
        b"GET /healthz?%b HTTP/1.1\r\n" % (b"x" * MAX_HEAD) + HOST + b"\r\n",
        posted("order-1", b"", chunked=True)[:-2] + FIELDS * (MAX_HEAD // len(FIELDS) + 5) + b"\r\n",
        posted("order-1", b"", chunked=True)[:-5] + b"1;" + b"x" * (MAX_HEAD + 5000) + b"\r\n \r\n0\r\n\r\n",
    ],
    ids=["headers", "request line", "trailers", "chunk extension"],
)
def test_head_trailers_or_chunk_extension_too_large_in_one_write_are_431(connection, sent):
    is_error(answered(connection, sent), 431)


def test_head_just_below_the_bound_is_served_in_one_write(connection):
    begin = b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: "
    sent = begin + b"y" * (MAX_HEAD - len(begin) - 4) + b"\r\n\r\n"
    assert len(sent) == MAX_HEAD
    assert answered(connection, sent).status_code == 200
