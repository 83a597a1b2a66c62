"""What reaches intake's port and is no request, or only slowly becomes one."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

import intake.wire
from intake.body import LARGE, LARGE_AT_ONCE
from tests.servers import wait_until
from tests.servers.http import is_error

HELLO = {"externalPhoneNumber": "804-222-1111", "text": "Hello"}
HEAD = b"POST /api/messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"

Connect = Callable[[], socket.socket]


@pytest.fixture
def quick(serving) -> Iterator[httpx.Client]:
    """An intake that waits for nobody for long, and has room for five."""
    with serving(head_timeout_seconds=0.3, body_timeout_seconds=0.3, max_connections=5) as client:
        yield client


def connecting(client: httpx.Client) -> socket.socket:
    address = urlsplit(str(client.base_url))
    return socket.create_connection((address.hostname, address.port), timeout=10)


def answer(connection: socket.socket) -> httpx.Response | None:
    """What is said until the end of the connection; None for nothing."""
    said = b""
    try:
        while part := connection.recv(65536):
            said += part
    except ConnectionResetError:
        pass
    return parsed(said)


def parsed(said: bytes) -> httpx.Response | None:
    if not said:
        return None
    head, _, body = said.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = [tuple(line.split(": ", 1)) for line in lines]
    response = httpx.Response(int(status.split()[1]), headers=headers, content=body)
    assert int(response.headers["content-length"]) == len(body), said
    return response


def asked(client: httpx.Client, sent: bytes, *, half_close: bool = False) -> Any:
    with connecting(client) as connection:
        connection.sendall(sent)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        return answer(connection)


@pytest.mark.parametrize(
    "sent",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 TLS",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost localhost\r\n\r\n",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffffffff\r\n",
    ],
)
def test_what_is_no_http_is_400_in_the_one_form(client, sent):
    response = asked(client, sent)
    is_error(response, 400)
    assert response.headers["connection"] == "close"
    assert 'roundsman_http_answers_total{code="400"}' in client.get("/metrics").text


def test_what_follows_a_whole_request_spoils_nothing_of_its_answer(client):
    body = json.dumps({**HELLO, "id": "order-1"}).encode()
    response = asked(client, HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body + b"\x00garbage\r\n\r\n")
    assert response.status_code == 200
    assert response.json()["data"]["id"] == "order-1"


def said_while_sending(connection: socket.socket, part: bytes, seconds: float = 10) -> bytes:
    """Send `part` again and again, until there is an answer; b"" when the connection is cut instead."""
    connection.settimeout(0.02)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            connection.sendall(part)
            return connection.recv(65536)
        except TimeoutError:
            continue
        except ConnectionError:
            return b""
    pytest.fail(f"neither answered nor cut within {seconds} s")


@pytest.mark.parametrize(
    ("begin", "part"),
    [
        (b"GET /healthz HTTP/1.1\r\nX: ", b"x" * 12_000),
        (b"GET /", b"x" * 12_000),
        (HEAD, b"X: y\r\n" * 2000),
    ],
)
def test_a_head_without_end_is_431(client, begin, part):
    with connecting(client) as connection:
        connection.sendall(begin)
        is_error(parsed(said_while_sending(connection, part)), 431)


def test_trailers_without_end_are_431(client):
    with connecting(client) as connection:
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n")
        is_error(parsed(said_while_sending(connection, b"x: y" + b"y" * 12_000)), 431)


def test_a_head_that_does_not_come_to_its_end_is_408(quick):
    with connecting(quick) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nX-Slow: ")
        is_error(answer(connection), 408)


def test_nor_does_one_that_goes_on_and_on_get_more_time(quick):
    with connecting(quick) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nX-Slow: ")
        is_error(parsed(said_while_sending(connection, b"x")), 408)


def test_a_connection_on_which_nothing_is_said_is_closed(quick):
    with connecting(quick) as connection:
        assert answer(connection) is None


def test_the_second_head_of_a_connection_has_no_more_time_than_the_first(quick):
    with connecting(quick) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        said = b""
        while b'"ok"' not in said:  # its body may come by itself
            more = connection.recv(65536)
            assert more, said
            said += more
        connection.sendall(b"GET /healthz HTTP/1.1\r\nX-Slow: ")
        is_error(answer(connection), 408)


def test_a_body_that_does_not_come_to_its_end_is_408(quick):
    is_error(asked(quick, HEAD + b"Content-Length: 1000\r\n\r\n{"), 408)
    is_error(asked(quick, HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{"), 408)


def test_the_rest_of_a_body_that_nobody_waits_for_is_not_taken_for_ever(quick):
    sent = b"POST /api/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"
    with connecting(quick) as connection:
        connection.sendall(sent)
        is_error(parsed(connection.recv(65536)), 415)
        assert said_while_sending(connection, b"x") == b""


def test_a_client_that_closes_its_half_still_gets_its_answer(client):
    body = json.dumps({**HELLO, "id": "order-1"}).encode()
    whole = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    assert asked(client, whole, half_close=True).status_code == 200
    is_error(asked(client, whole[:-5], half_close=True), 400)
    is_error(asked(client, whole[:30], half_close=True), 400)
    assert asked(client, b"", half_close=True) is None


def test_where_there_are_too_many_connections_the_one_that_dawdles_makes_room(serving):
    with serving(max_connections=5, head_timeout_seconds=1) as client:
        lame = [connecting(client) for _ in range(5)]
        for connection in lame:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nX-Slow: ")
        client.get("/healthz")
        assert client.post("/api/messages", json=HELLO).status_code == 200
        answers = sorted((answer(connection) for connection in lame), key=lambda a: a.status_code)
        for connection in lame:
            connection.close()
    assert [a.status_code for a in answers] == [408, 408, 408, 408, 503]
    is_error(answers[-1], 503)
    assert int(answers[-1].headers["retry-after"]) > 0


def test_a_flood_of_lame_connections_shuts_nobody_out(serving):
    with serving(max_connections=20) as client:
        lame = [connecting(client) for _ in range(200)]
        for number in range(20):
            message = {**HELLO, "id": f"order-{number}"}
            assert httpx.post(f"{client.base_url}/api/messages", json=message).status_code == 200
        for connection in lame:
            connection.close()


def test_a_body_that_never_arrives_holds_up_nobody_else(client):
    address = urlsplit(str(client.base_url))
    with socket.create_connection((address.hostname, address.port)) as slow:
        slow.sendall(
            b"POST /api/messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 1000\r\n\r\n{"
        )
        assert client.post("/api/messages", json=HELLO).status_code == 200


def test_a_body_somewhat_too_large_is_heard_to_its_end_and_answered(serving):
    with serving(max_body_bytes=2_000_000) as client:
        body = b'{"text": "%s"}' % (b"x" * 3_500_000)
        for _ in range(5):
            response = client.post(
                "/api/messages", content=body, headers={"Content-Type": "application/json"}
            )
            is_error(response, 413)


def test_a_few_large_bodies_are_in_memory_at_once_and_the_others_wait_their_turn(serving):
    large = {**HELLO, "vehicle": ["x" * 2 * LARGE]}
    with serving() as client:
        body = json.dumps(large).encode()
        holding = [connecting(client) for _ in range(LARGE_AT_ONCE)]
        for connection in holding:
            connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body[:-1])
        with ThreadPoolExecutor(3) as threads:
            waiting = [threads.submit(client.post, "/api/messages", json=large) for _ in range(3)]
            assert client.post("/api/messages", json=HELLO).status_code == 200
            assert not any(future.done() for future in waiting)
            for connection in holding:
                connection.sendall(body[-1:])
            wait_until(lambda: all(future.done() for future in waiting))
            assert {future.result().status_code for future in waiting} == {200}
        for connection in holding:
            assert b" 200 " in connection.recv(65536).partition(b"\r\n")[0]
            connection.close()


@pytest.mark.parametrize("value", ["[" + "{}," * 300_000 + "{}]", "{" + '"a":1,' * 300_000 + '"b":1}'])
def test_json_of_a_great_many_values_is_400_before_it_is_parsed(client, value):
    body = '{"externalPhoneNumber": "804-222-1111", "text": "Hello", "vehicle": ' + value + "}"
    error = is_error(
        client.post("/api/messages", content=body, headers={"Content-Type": "application/json"}), 400
    )
    assert "250,000" in error["message"]


def test_who_waits_for_leave_to_send_a_body_gets_it(client):
    body = json.dumps(HELLO).encode()
    with connecting(client) as connection:
        connection.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        connection.shutdown(socket.SHUT_WR)
        assert answer(connection).status_code == 200


def test_an_answer_is_one_packet(client, monkeypatch):
    written = []
    one_packet = intake.wire.OnePacket

    def noting(transport, cycle):
        write = transport.write
        spy = SimpleNamespace(
            write=lambda data: (written.append(data), write(data)),
            close=transport.close,
            is_closing=transport.is_closing,
        )
        return one_packet(spy, cycle)

    monkeypatch.setattr(intake.wire, "OnePacket", noting)
    assert client.post("/api/messages", json=HELLO).status_code == 200
    [whole] = written
    assert whole.startswith(b"HTTP/1.1 200 OK\r\n")
    assert whole.endswith(b"}")
