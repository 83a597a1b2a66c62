"""Flower is answered only under names that are ours: no other site's name can lead a browser to it."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.servers import wait_until
from tests.servers.ports import free_port
from tests.servers.processes import Process, environment

Started = Callable[..., httpx.Client]

UP = ("-m", "worker.up.flower", "127.0.0.1")
CELERY = ("-m", "celery", "-A", "worker", "flower", "--address=127.0.0.1")


@pytest.fixture
def started(broker_url: str, tmp_path: Path) -> Iterator[Started]:
    opened: list[tuple[Process, httpx.Client]] = []

    def start(*command: str, **settings: str) -> httpx.Client:
        port = free_port()
        last = str(port) if command == UP else f"--port={port}"
        values = environment(tmp_path, BROKER_URL=broker_url, **settings)
        process = Process([sys.executable, *command, last], values, tmp_path / "flower.log")
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20)
        opened.append((process, client))

        def answers() -> bool:
            assert process.popen.poll() is None, process.said
            try:
                return client.get("/healthcheck").status_code == 200
            except httpx.TransportError:
                return False

        wait_until(answers, 40)
        return client

    yield start
    for process, client in opened:
        client.close()
        process.end()


FOREIGN = ["rebound.example", "rebound.example:5555", "127.0.0.1.rebound.example", "192.0.2.7"]
PATHS = ["/", "/workers", "/api/workers", "/metrics", "/healthcheck", "/static/css/flower.css", "/x"]


@pytest.mark.parametrize("command", [UP, CELERY], ids=["make up", "celery -A worker flower"])
def test_flower_refuses_a_foreign_host_on_every_path(started, command):
    client = started(*command, FLOWER_HOSTS="flower.internal.example")
    for host in FOREIGN:
        for path in PATHS:
            response = client.get(path, headers={"Host": host})
            assert response.status_code == 421, (host, path)
        assert client.post("/api/worker/shutdown/w1", headers={"Host": host}).status_code == 421
    for host in ("localhost", "LOCALHOST:5555", "127.0.0.1", "[::1]:5555", "flower.internal.example:80"):
        assert client.get("/workers", headers={"Host": host}).status_code == 200, host
    assert "FLOWER_HOSTS" in client.get("/", headers={"Host": FOREIGN[0]}).text


def test_flower_with_a_password_answers_to_any_host_that_knows_it(started):
    client = started(*CELERY, FLOWER_BASIC_AUTH="ops:a-long-random-password")
    host = {"Host": "flower.example"}
    assert client.get("/workers", headers=host).status_code == 401
    assert client.get("/workers", headers=host, auth=("ops", "a-long-random-password")).status_code == 200
