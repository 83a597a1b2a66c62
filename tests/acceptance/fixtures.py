"""Workers and intakes as processes, against providers that hang when asked to."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from messages.acceptance import Acceptor
from messages.clock import system_clock
from messages.doorbell import Doorbell
from messages.store import Store
from tests.servers.processes import Process, Worker, environment
from tests.servers.smtp import SmtpServer
from tests.servers.twilio import ACCOUNT, TOKEN, TwilioServer
from worker.bridge import LoopThread


@pytest.fixture
def providers() -> Iterator[tuple[SmtpServer, TwilioServer]]:
    async def open_both() -> tuple[SmtpServer, TwilioServer]:
        return await SmtpServer().__aenter__(), await TwilioServer().__aenter__()

    async def close(server: Any) -> None:
        await server.__aexit__(None, None, None)

    loop = LoopThread()
    servers = loop.run(open_both(), 5)
    yield servers
    for server in servers:
        loop.run(close(server), 5)
    loop.close()


@pytest.fixture
def smtp(providers: tuple[SmtpServer, TwilioServer]) -> SmtpServer:
    return providers[0]


@pytest.fixture
def twilio(providers: tuple[SmtpServer, TwilioServer]) -> TwilioServer:
    return providers[1]


@pytest.fixture
def wiring(
    database_url: str, broker_url: str, smtp: SmtpServer, twilio: TwilioServer, tmp_path: Path
) -> dict[str, str]:
    """Of every process; the providers' time-outs are the defaults."""
    return environment(
        tmp_path,
        DATABASE_URL=database_url,
        BROKER_URL=broker_url,
        SMTP_URL=smtp.url,
        TWILIO_BASE_URL=twilio.url,
        TWILIO_ACCOUNT_SID=ACCOUNT,
        TWILIO_AUTH_TOKEN=TOKEN,
        SENDER_PHONE="+15005550006",
        RETRY_BASE_SECONDS="0.1",
    )


@pytest.fixture
def ended() -> Iterator[list[Process]]:
    """What is in it at the end is ended."""
    processes: list[Process] = []
    yield processes
    for process in processes:
        process.end()


@pytest.fixture
def start(wiring: dict[str, str], ended: list[Process], tmp_path: Path) -> Callable[..., Worker]:
    """Start a worker; without `ready`, it is not waited for."""

    def start_worker(name: str = "w1", *, ready: bool = True, **changed: str) -> Worker:
        worker = Worker(wiring | changed, tmp_path, name)
        ended.append(worker)
        return worker.wait_ready() if ready else worker

    return start_worker


@pytest.fixture
def app(broker_url: str) -> Iterator[Celery]:
    app = Celery("test", broker=broker_url, set_as_current=False)
    yield app
    app.close()


@pytest.fixture
def take(store: Store, make_acceptor: Callable[..., Acceptor], app: Celery) -> Callable[..., list[str]]:
    """Accept as many Messages, at the present time, and enqueue them; their ids."""

    def accept_many(count: int, **fields: Any) -> list[str]:
        acceptor = make_acceptor(store, clock=system_clock)
        accepted = acceptor.accept([acceptor.draft({**fields, "text": f"Hello {n}"}) for n in range(count)])
        assert Doorbell(app).ring([waiting for one in accepted for waiting in one.waiting])
        return [one.message_id for one in accepted]

    return accept_many
