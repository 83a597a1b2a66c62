"""Intake and a worker, real ones, while PostgreSQL is frozen."""

import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import psutil
import psycopg
import pytest

from messages.states import DeliveryState
from tests.servers import wait_until
from tests.servers.ports import free_port
from tests.servers.processes import Intake

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)]

#: Seconds: the longest that anybody waits for an answer.
BOUND = 12


def server(database_url: str) -> list[psutil.Process]:
    """The postmaster and all that it has started."""
    with psycopg.connect(database_url.replace("+psycopg", "")) as connection:
        postmaster = psutil.Process(psutil.Process(connection.info.backend_pid).ppid())
    return [postmaster, *postmaster.children()]


def send_all(processes: list[psutil.Process], number: signal.Signals) -> None:
    """Those that have ended since, such as the server's for a connection of ours, are passed over."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def answer(url: str, message_id: str | None) -> tuple[int, float, bool]:
    """The status, after how long, and whether it says when to come again. None: list what there is."""
    began = time.monotonic()
    with httpx.Client(base_url=url, timeout=60) as client:
        if message_id is None:
            response = client.get("/api/messages")
        else:
            hello = {"id": message_id, "externalEmail": "dana@example.com", "text": "Hello"}
            response = client.post("/api/messages", json=hello)
    return response.status_code, time.monotonic() - began, "retry-after" in response.headers


def test_a_frozen_store_is_503_in_time_and_nothing_is_half_accepted_lost_or_doubled(
    database_url, store, smtp, start: Callable[..., object], wiring, ended, tmp_path
):
    intake = Intake(wiring, tmp_path, free_port())
    ended.append(intake)
    start()
    intake.wait_ready()
    ids = [f"before-{n}" for n in range(10)]
    assert {answer(intake.url, one)[0] for one in ids} == {200}
    frozen = server(database_url)
    try:
        send_all(frozen, signal.SIGSTOP)
        refused = [*(f"frozen-{n}" for n in range(8)), None]
        with ThreadPoolExecutor(len(refused)) as threads:
            answers = list(threads.map(lambda one: answer(intake.url, one), refused))
    finally:
        send_all(frozen, signal.SIGCONT)
    assert {(code, again) for code, _, again in answers} == {(503, True)}
    assert max(seconds for _, seconds, _ in answers) < BOUND
    wait_until(lambda: answer(intake.url, "after")[0] == 200)
    wait_until(lambda: store.page(DeliveryState.SENT, 1, 1).total == len(ids) + 1, 15)
    assert store.page(None, 1, 1).total == len(ids) + 1
    assert len(smtp.mails) == len(ids) + 1
