"""Intake, served for tests that speak HTTP to it; and the tasks' parts, all real, without a Celery worker."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import httpx
import pytest
from celery import Celery

from intake.app import create_app
from messages.settings import load_settings
from tasks.parts import Parts
from tests.conftest import Ticking
from tests.servers.http import serve
from tests.servers.sandbox import RunningSandbox, running_sandbox
from tests.servers.smtp import SmtpServer
from tests.servers.twilio import ACCOUNT, TOKEN, TwilioServer
from worker.bridge import LoopThread
from worker.parts import build_parts

HELLO = {"externalPhoneNumber": "804-222-1111", "text": "Is the vehicle still available?"}
Serve = Callable[..., AbstractContextManager[httpx.Client]]


@pytest.fixture
def serving(broker_url: str, sqlite_url: str) -> Serve:
    """Start intake with these settings; gives a client."""

    @contextmanager
    def start(**settings: Any) -> Iterator[httpx.Client]:
        chosen = load_settings(**({"broker_url": broker_url, "database_url": sqlite_url} | settings))
        with serve(create_app(chosen)) as url, httpx.Client(base_url=url, timeout=20) as client:
            yield client

    return start


@pytest.fixture
def client(serving: Serve) -> Iterator[httpx.Client]:
    with serving() as client:
        yield client


@pytest.fixture
def outside() -> Iterator[LoopThread]:
    """The loop on which the providers run."""
    loop = LoopThread()
    yield loop
    loop.close()


@pytest.fixture
def smtp(outside: LoopThread) -> Iterator[SmtpServer]:
    server = outside.run(_make(SmtpServer), 5)
    yield server
    outside.run(server.__aexit__(None, None, None), 5)


@pytest.fixture
def twilio(outside: LoopThread, clock: Ticking) -> Iterator[TwilioServer]:
    server = outside.run(_make(TwilioServer), 5)
    server.clock = clock
    yield server
    outside.run(server.__aexit__(None, None, None), 5)


async def _make(kind: Callable[[], Any]) -> Any:
    return await kind().__aenter__()


@pytest.fixture
def parts(
    database_url: str,
    broker_url: str,
    outside: LoopThread,
    smtp: SmtpServer,
    twilio: TwilioServer,
    clock: Ticking,
) -> Iterator[Parts]:
    settings = load_settings(
        database_url=database_url,
        broker_url=broker_url,
        smtp_url=smtp.url,
        twilio_base_url=twilio.url,
        twilio_account_sid=ACCOUNT,
        twilio_auth_token=TOKEN,
        sender_phone="+15005550006",
        attachment_hosts="localhost",
        public_url="https://messages.dealer.example",
    )
    app = Celery("test", broker=broker_url, set_as_current=False)
    parts = build_parts(app, settings, LoopThread(), clock, broker_clock=clock)
    yield parts
    parts.close()
    app.close()


@pytest.fixture(scope="module")
def module_sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox() as running:
        yield running
