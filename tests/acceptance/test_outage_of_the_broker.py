"""Intake and a worker, real ones, while the broker is killed, frozen and emptied."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from messages.states import DeliveryState
from messages.store import Store
from tests.servers import wait_until
from tests.servers.ports import free_port
from tests.servers.processes import Intake, Valkey, Worker

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]

#: Seconds: 99 of 100 POSTs are answered sooner; and how long it takes until all of them are sent.
P99, DRAINED_WITHIN = 0.25, 10

#: A busy machine is slow also while the broker is well. An outage makes it no more than so many times slower.
NOISE = 1.5

POSTS, CONNECTIONS, ROUNDS = 200, 4, 3


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    server = Valkey(tmp_path, free_port()).start()
    yield server
    server.process.end()


@contextmanager
def killed(valkey: Valkey, _: Worker) -> Iterator[None]:
    valkey.process.end()
    yield
    valkey.start()


@contextmanager
def frozen(valkey: Valkey, _: Worker) -> Iterator[None]:
    valkey.process.send(signal.SIGSTOP)
    yield
    valkey.process.send(signal.SIGCONT)


@contextmanager
def flushed(valkey: Valkey, worker: Worker) -> Iterator[None]:
    """In the middle of it, with a backlog since the worker is stopped."""

    def flush() -> None:
        wait_until(lambda: valkey.client.llen("email") > 20)
        valkey.client.flushall()

    worker.send(signal.SIGSTOP)
    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(flush)
        yield
        done.result()
    worker.send(signal.SIGCONT)


def post_many(url: str) -> list[float]:
    """How long each answer took; all are 200."""

    def post_some(_: int) -> list[float]:
        times = []
        with httpx.Client(base_url=url, timeout=20) as client:
            for number in range(POSTS // CONNECTIONS):
                began = time.monotonic()
                hello = {"externalEmail": "dana@example.com", "text": f"Hello {number}"}
                assert client.post("/api/messages", json=hello).status_code == 200
                times.append(time.monotonic() - began)
        return times

    with ThreadPoolExecutor(CONNECTIONS) as threads:
        return [each for times in threads.map(post_some, range(CONNECTIONS)) for each in times]


def p99(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.99)]


def test_whatever_the_broker_does_posts_are_answered_fast_and_sent_soon_after(
    store: Store, smtp, wiring, ended, valkey, tmp_path
):
    chosen = wiring | {"BROKER_URL": valkey.url}
    worker = Worker(chosen, tmp_path)
    intake = Intake(chosen, tmp_path, free_port())
    ended += [worker, intake]
    worker.wait_ready()
    intake.wait_ready()
    limit = max(P99, NOISE * p99(post_many(intake.url)))
    answered = POSTS

    def all_sent() -> bool:
        return store.page(DeliveryState.SENT, 1, 1).total == answered

    for outage in (killed, frozen, flushed):
        best = 9.0
        with outage(valkey, worker):
            for _ in range(ROUNDS):
                best = min(best, p99(post_many(intake.url)))
                answered += POSTS
                if best <= limit:
                    break
        assert best <= limit, outage
        wait_until(all_sent, DRAINED_WITHIN)
    assert len(smtp.mails) == answered
