"""What is alone never waits for a bulk: real workers, with thousands waiting."""

import time
from statistics import median

import pytest
import redis

from messages.bulk import BULK_FROM
from messages.clock import system_clock
from messages.delivery import Lane
from messages.doorbell import Doorbell
from tests.servers import wait_until

pytestmark = pytest.mark.slow

TO = {"externalEmail": "dana@example.com"}
BULK, SINGLES = 5000, 5


@pytest.fixture
def bulk(store, make_acceptor, app):
    """Thousands that came together, accepted and enqueued."""
    acceptor = make_acceptor(store, clock=system_clock)
    for start in range(0, BULK, 1000):
        entries = [({**TO, "text": f"{start + n}"}, None) for n in range(1000)]
        accepted = acceptor.accept_each(acceptor.check(entries, bulk=True))
        assert Doorbell(app).ring([waiting for one in accepted for waiting in one.waiting])


def test_a_single_email_is_sent_within_a_second_while_thousands_wait(bulk, start, store, take, smtp):
    start()
    wait_until(lambda: smtp.mails, 30)
    waits = []
    for _ in range(SINGLES):
        began = time.monotonic()
        [message_id] = take(1, **TO)
        wait_until(lambda one=message_id: store.find([one])[0].status == "sent")
        waits.append(time.monotonic() - began)
    assert median(waits) < 1
    assert store.waiting_by_state()["queued"] > 0  # the bulk was still there


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_single_message_on_the_queue_entrance_overtakes_lists(start, store, app, broker_url, smtp):
    for number in range(10):
        entries = [{**TO, "text": f"{number} {n}"} for n in range(500)]
        app.send_task("tasks.accept", args=[entries], queue="intake")
    start()
    wait_until(lambda: smtp.mails, 30)
    began = time.monotonic()
    app.send_task("tasks.accept", args=[{**TO, "id": "single", "text": "Hello"}], queue="intake")
    wait_until(lambda: store.find(["single"]) and store.find(["single"])[0].status == "sent")
    assert time.monotonic() - began < 2
    with redis.Redis.from_url(broker_url) as broker:
        assert broker.llen("intake.bulk") + broker.llen("email.bulk") > 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_short_lists_are_alone_and_long_ones_a_bulk(start, store, app):
    for number, count in enumerate((BULK_FROM - 1, BULK_FROM)):
        entries = [{**TO, "text": f"{number} {n}", "id": f"{number}-{n}"} for n in range(count)]
        app.send_task("tasks.accept", args=[entries], queue="intake")
    start()
    wait_until(lambda: store.page("sent", 1, 1).total == 2 * BULK_FROM - 1, 30)
    lanes = [{delivery.lane for delivery in store.find([f"{number}-0"])[0].deliveries} for number in (0, 1)]
    assert lanes == [{Lane.EMAIL}, {Lane.EMAIL_BULK}]
