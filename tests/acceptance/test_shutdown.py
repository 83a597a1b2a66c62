"""How workers stop: in time, whatever hangs; nothing lost, nothing doubled."""

import signal
import threading
import time
from collections import Counter
from typing import Any

import httpx
import pytest

from messages.states import DeliveryState
from messages.store import Store
from messages.view import show
from tests.servers import wait_until
from tests.servers.ports import free_port
from tests.servers.processes import Intake, Worker
from tests.servers.twilio import HUNG
from tests.stored import shown

pytestmark = pytest.mark.slow

#: So many are on the wire at a time.
SMTP_CONNECTIONS, TWILIO_CONNECTIONS = 20, 50
CONNECTIONS = {"SMTP_CONNECTIONS": str(SMTP_CONNECTIONS), "TWILIO_CONNECTIONS": str(TWILIO_CONNECTIONS)}

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
on_both = pytest.mark.parametrize(
    "database_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)], indirect=True
)


def delivery(store: Store, message_id: str) -> dict[str, Any]:
    return shown(store, message_id)["deliveries"][0]


def by_status(store: Store, ids: list[str]) -> dict[str, int]:
    statuses = [d["deliveries"][0]["status"] for d in show(store.find(ids), 0, store.objects)]
    return {status: statuses.count(status) for status in sorted(set(statuses))}


def stopped_within(worker: Worker, seconds: float, *signals: int) -> int:
    began = time.monotonic()
    for number in signals:
        worker.send(number)
    code = worker.popen.wait(seconds + 10)
    assert time.monotonic() - began < seconds, worker.said
    return code


@on_both
def test_a_worker_whose_providers_hang_stops_in_time_and_gives_back_what_it_has_not_begun(
    store, smtp, twilio, start, take
):
    emails = take(60, externalEmail="hung@customer.example")
    texts = take(60, externalPhoneNumber=HUNG)
    worker = start(SHUTDOWN_SECONDS="4", **CONNECTIONS)
    wait_until(lambda: (len(smtp.mails), len(twilio.created)) == (SMTP_CONNECTIONS, TWILIO_CONNECTIONS), 20)
    assert stopped_within(worker, 5, signal.SIGTERM, signal.SIGTERM) == 0
    assert by_status(store, emails) == {"queued": 60}
    assert by_status(store, texts) == {"queued": 10, "unknown": 50}
    doubts = [delivery(store, one)["attempts"][-1]["outcome"] for one in emails]
    assert (doubts.count("ambiguous"), doubts.count("retryable")) == (SMTP_CONNECTIONS, 60 - SMTP_CONNECTIONS)
    smtp.hangs = False
    start("w2")
    wait_until(lambda: by_status(store, emails) == {"sent": 60}, 10)
    wait_until(lambda: len(twilio.created) == 60, 10)
    again = [delivery(store, one)["attempts"][-1].get("possibleDuplicate", False) for one in emails]
    assert (again.count(True), len(smtp.mails)) == (SMTP_CONNECTIONS, 60 + SMTP_CONNECTIONS)


@on_sqlite
def test_sigquit_ends_a_worker_at_once_and_loses_nothing(store, smtp, twilio, start, take):
    texts = take(60, externalPhoneNumber=HUNG)
    worker = start(**CONNECTIONS)
    wait_until(lambda: len(twilio.created) == TWILIO_CONNECTIONS, 20)
    stopped_within(worker, 3, signal.SIGQUIT)
    assert by_status(store, texts) == {"queued": 10, "unknown": 50}


class Producers:
    """Threads that post each Message until it is answered 200. `posted`: their ids."""

    def __init__(self, url: str, count: int) -> None:
        self._url, self._stop = url, threading.Event()
        self.posted: list[str] = []
        self._threads = [threading.Thread(target=self._post, args=(n,), daemon=True) for n in range(count)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(20)

    def _post(self, thread: int) -> None:
        number = 0
        with httpx.Client(base_url=self._url) as client:
            while not self._stop.wait(0.05):
                number += 1
                self._until_accepted(client, f"m-{thread}-{number}")

    def _until_accepted(self, client: httpx.Client, name: str) -> None:
        to = {"externalPhoneNumber": "804-222-1111", "externalEmail": "dana@example.com"}
        while True:
            try:
                answer = client.post("/api/messages", json={"id": name, "text": name, **to})
            except httpx.TransportError:
                self._stop.wait(0.05)
                continue
            assert answer.status_code == 200, answer.text
            self.posted.append(name)
            return


@on_both
def test_a_rolling_restart_under_load_loses_and_doubles_nothing(
    store, smtp, twilio, start, wiring, ended, app, tmp_path
):
    port = free_port()
    intake = Intake(wiring, tmp_path, port)
    ended.append(intake)
    workers = [start("w1", ready=False), start("w2", ready=False)]
    for process in (intake, *workers):
        process.wait_ready()
    producers = Producers(intake.url, 3)
    wait_until(lambda: len(smtp.mails) > 20)
    assert stopped_within(workers[0], 10, signal.SIGTERM) == 0
    workers[0] = start("w1")
    app.control.shutdown(destination=["w2@test"])
    assert stopped_within(workers[1], 10) == 0
    workers[1] = start("w2")
    assert intake.stop() in {0, -signal.SIGTERM}  # uvicorn raises the signal again once all is done
    ended.append(Intake(wiring, tmp_path, port).wait_ready())
    assert stopped_within(workers[0], 10, signal.SIGTERM) == 0
    producers.stop()
    total = len(producers.posted)
    wait_until(lambda: store.page(DeliveryState.SENT, 1, 1).total == total, 20)
    assert store.page(None, 1, 1).total == total
    assert Counter(mail.message["Message-ID"] for mail in smtp.mails).most_common(1)[0][1] == 1
    assert Counter(form["Body"][0] for form in twilio.created) == Counter(producers.posted)
    assert len(smtp.mails) == total
