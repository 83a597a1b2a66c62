"""Large bodies that stall take nobody else's place. Spoken as bytes."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest

import intake.large_bodies
from intake.body import LARGE, LARGE_AT_ONCE, LARGE_PER_CLIENT
from tests.integration.conftest import HELLO

BODY = json.dumps({**HELLO, "vehicle": {"description": ["x" * 1000] * (2 * LARGE // 1000)}}).encode()
HEAD = b"POST /api/messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
HEAD += b"Content-Length: %d\r\n\r\n" % len(BODY)


@contextmanager
def stalling(client: httpx.Client, count: int, source: str = "127.0.0.1") -> Iterator[list[socket.socket]]:
    """Connections from `source` whose bodies lack a part."""
    server = (client.base_url.host, client.base_url.port or 0)
    with ExitStack() as stack:
        connections = []
        for _ in range(count):
            connection = socket.create_connection(server, 20, source_address=(source, 0))
            connections.append(stack.enter_context(connection))
            connection.sendall(HEAD + BODY[:-1000])
        yield connections


def post(client: httpx.Client) -> httpx.Response:
    return client.post("/api/messages", content=BODY, headers={"Content-Type": "application/json"})


def code_of(connection: socket.socket) -> int:
    return int(connection.recv(65536).split()[1])


def test_bodies_that_stall_give_way_to_one_that_waits(serving, monkeypatch):
    monkeypatch.setattr(intake.large_bodies, "PROGRESS_SECONDS", 0.3)
    with serving() as client, stalling(client, LARGE_AT_ONCE + 1) as connections:
        began = time.monotonic()
        assert post(client).status_code == 200
        assert time.monotonic() - began < 10
        given_way = connections[0].recv(65536)
        assert given_way.startswith(b"HTTP/1.1 408 ")
        assert b"while others waited" in given_way


def test_body_that_stalls_is_left_alone_where_nobody_waits(serving, monkeypatch):
    monkeypatch.setattr(intake.large_bodies, "PROGRESS_SECONDS", 0.0)
    with serving() as client, stalling(client, 1) as [connection]:
        for _ in range(3):
            assert post(client).status_code == 200
        connection.sendall(BODY[-1000:])
        assert code_of(connection) == 200


def test_bodies_of_one_client_leave_room_for_those_of_others(serving, monkeypatch):
    monkeypatch.setattr(intake.large_bodies, "PROGRESS_SECONDS", 60.0)
    with serving() as client, stalling(client, 3 * LARGE_AT_ONCE, "127.0.0.2") as connections:
        began = time.monotonic()
        for _ in range(3):
            assert post(client).status_code == 200
        assert time.monotonic() - began < 10
        for connection in connections[:LARGE_PER_CLIENT]:
            connection.sendall(BODY[-1000:])
            assert code_of(connection) == 200


def test_place_of_a_client_that_goes_away_is_free_again(serving, monkeypatch):
    monkeypatch.setattr(intake.large_bodies, "PROGRESS_SECONDS", 60.0)
    with serving() as client:
        with stalling(client, 3 * LARGE_AT_ONCE):
            pass
        assert post(client).status_code == 200


def test_body_that_is_too_slow_by_itself_is_408_as_before(serving):
    with serving(body_timeout_seconds=0.3) as client, stalling(client, 1) as [connection]:
        said = connection.recv(65536)
        assert said.startswith(b"HTTP/1.1 408 ")
        assert b"did not arrive within 0.3 s" in said


@pytest.mark.parametrize("count", [LARGE_PER_CLIENT, 2 * LARGE_AT_ONCE])
def test_bodies_that_arrive_are_all_answered(serving, count):
    with serving() as client, stalling(client, count) as connections:
        for connection in connections:
            connection.sendall(BODY[-1000:])
        assert [code_of(connection) for connection in connections] == [200] * count
