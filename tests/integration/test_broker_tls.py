"""`rediss://`: every part verifies the broker's certificate and the name of its host."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from flower.utils.broker import Broker
from kombu.exceptions import OperationalError

from intake.door import Door
from messages.delivery import Lane
from messages.pace import Demand
from messages.settings import PROJECT_ROOT, Settings, load_settings
from tests.servers.tls import tls_before
from worker.cli_store import ring
from worker.shared_lines import Question, SharedLines
from worker.up.checks import check_broker
from worker.up.flower import build_app
from worker.up.service import StartError


@dataclass
class Tls:
    """TLS before a real Valkey, with a certificate for `localhost`."""

    port: int
    ca_file: Path

    def at(self, host: str = "localhost", query: str = "") -> str:
        return f"rediss://{host}:{self.port}/0{query}"


@pytest.fixture
def tls(broker_url: str, tmp_path: Path) -> Iterator[Tls]:
    ca_file = tmp_path / "ca.pem"
    with tls_before(urlsplit(broker_url).port or 0, "localhost", ca_file) as port:
        yield Tls(port, ca_file)


def checked_by_up(settings: Settings) -> bool:
    with suppress(StartError):
        check_broker(settings.broker_url, ca_file=settings.broker_ca_file)
        return True
    return False


def intake_enqueues(settings: Settings) -> bool:
    door = Door(settings)
    try:
        return door.doorbell.ring([("d1", Lane.SMS)])
    finally:
        asyncio.run(door.close())


def rates_are_shared(settings: Settings) -> bool:
    lines = SharedLines(settings.broker_connection.url, settings.broker_connection.tls)
    [answer] = lines.ask([Question(Demand("+18042221111", 1000, 1), placed=False, patience=0)])
    lines.close()
    return answer is not None


def flower_hears_events(settings: Settings) -> bool:
    app = build_app()
    with suppress(OperationalError), app.connection() as connection:
        connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
        return True
    return False


def flower_counts_queues(settings: Settings) -> bool:
    app = build_app()
    with app.connection() as connection:
        uri = connection.as_uri(include_password=True)
    broker = Broker(uri, broker_use_ssl=app.conf.broker_use_ssl, broker_options={})

    async def count() -> bool:
        with suppress(redis.ConnectionError):
            await broker.queues(["intake"])
            return True
        return False

    return asyncio.run(count())


WORKER = """
from worker.celery import app
with app.connection_for_read() as connection:
    connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
print("connected")
"""


def worker_connects(settings: Settings) -> bool:
    done = subprocess.run(
        [sys.executable, "-c", WORKER],
        cwd=PROJECT_ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "connected" in done.stdout or "CERTIFICATE_VERIFY_FAILED" in done.stderr, done.stderr
    return "connected" in done.stdout


PARTS = [
    checked_by_up,
    intake_enqueues,
    rates_are_shared,
    flower_hears_events,
    flower_counts_queues,
    worker_connects,
]


@pytest.mark.parametrize("part", PARTS)
def test_part_connects_only_to_a_broker_that_it_can_verify(tls, sqlite_url, monkeypatch, part):
    def connects(url: str, ca_file: Path | None = None) -> bool:
        monkeypatch.setenv("BROKER_URL", url)
        monkeypatch.setenv("DATABASE_URL", sqlite_url)
        if ca_file is None:
            monkeypatch.delenv("BROKER_CA_FILE", raising=False)
        else:
            monkeypatch.setenv("BROKER_CA_FILE", str(ca_file))
        return part(load_settings())

    assert connects(tls.at(), tls.ca_file)
    assert not connects(tls.at("127.0.0.1"), tls.ca_file)
    if part is worker_connects:
        return  # a process for each: what it is told is what the others are told
    assert not connects(tls.at())
    assert connects(tls.at("127.0.0.1", "?ssl_cert_reqs=none"))
    assert connects(tls.at("127.0.0.1", "?ssl_check_hostname=false"), tls.ca_file)


def test_command_line_enqueues_at_a_broker_that_it_can_verify(tls, monkeypatch, capsys):
    monkeypatch.setenv("BROKER_URL", tls.at())
    ring([("d1", Lane.SMS)])
    assert "The broker does not answer" in capsys.readouterr().err
    monkeypatch.setenv("BROKER_URL", tls.at().replace("/0", "/1"))  # kombu keeps connections by URL
    monkeypatch.setenv("BROKER_CA_FILE", str(tls.ca_file))
    ring([("d1", Lane.SMS)])
    assert capsys.readouterr().err == ""
