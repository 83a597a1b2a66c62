"""Which requests come from this machine where proxies forward them, however uvicorn is told to serve."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.servers import wait_until
from tests.servers.http import is_error
from tests.servers.ports import free_port
from tests.servers.processes import Process, environment

Started = Callable[..., AbstractContextManager[tuple[httpx.Client, Process]]]

COMMANDS = {
    "uvicorn": (sys.executable, "-m", "uvicorn", "intake.app:app"),
    "roundsman": (str(Path(sys.executable).parent / "roundsman"), "intake"),
}


@pytest.fixture
def started(sqlite_url: str, broker_url: str, tmp_path: Path) -> Started:
    """Start intake by one of COMMANDS, as somebody does who lets uvicorn believe every header."""

    @contextmanager
    def start(command: str, **settings: str) -> Iterator[tuple[httpx.Client, Process]]:
        urls = {"DATABASE_URL": sqlite_url, "BROKER_URL": broker_url, "FORWARDED_ALLOW_IPS": "*"}
        port = free_port()
        process = Process(
            [*COMMANDS[command], "--port", str(port)],
            environment(tmp_path, **urls, **settings),
            tmp_path / "intake.log",
        )
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
                wait_until(lambda: "Uvicorn running" in process.said or process.popen.poll() is not None, 30)
                yield client, process
        finally:
            process.end()

    return start


@pytest.mark.parametrize("command", COMMANDS)
def test_headers_of_a_proxy_that_is_not_named_open_nothing(started, command):
    with started(command) as (client, process):
        assert client.get("/api/messages").status_code == 200
        for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP"):
            for address in ("127.0.0.1", "203.0.113.7"):
                error = is_error(client.get("/api/messages", headers={header: address}), 401)
                assert "TRUSTED_PROXIES" in error["message"]
        assert client.get("/healthz", headers={"X-Forwarded-For": "203.0.113.7"}).status_code == 200
        assert "203.0.113.7" not in process.said


@pytest.mark.parametrize("command", COMMANDS)
def test_named_proxy_says_which_requests_come_from_this_machine(started, command):
    with started(command, TRUSTED_PROXIES="192.0.2.0/24, 127.0.0.0/8") as (client, process):
        assert client.get("/api/messages").status_code == 200
        assert client.get("/api/messages", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 200
        for forwarded in ("203.0.113.7", "127.0.0.1, 203.0.113.7", "203.0.113.7, 192.0.2.1", "nobody"):
            is_error(client.get("/api/messages", headers={"X-Forwarded-For": forwarded}), 401)
        is_error(client.get("/api/messages", headers={"Forwarded": "for=127.0.0.1"}), 401)
        if command == "uvicorn":  # the other keeps no access log
            wait_until(lambda: "203.0.113.7:0 - " in process.said)
