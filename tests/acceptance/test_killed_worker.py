"""What a worker held of the queues when it was killed, in the configuration that is shipped."""

import signal
import time

import pytest
import redis

from messages.states import DeliveryState
from tests.servers import wait_until
from tests.servers.twilio import HUNG

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]

#: As many tasks as a worker works on at a time; it takes as many more, which wait inside of it.
BUSY = WAITING = 8


def held(broker: redis.Redis) -> int:
    return sum(broker.hlen(key) for key in broker.scan_iter("unacked.*", _type="hash"))


def test_what_a_killed_worker_held_moves_again_within_ten_seconds(store, start, take, app, broker_url):
    with redis.Redis.from_url(broker_url) as broker:
        killed = start("w1")
        for _ in range(BUSY):
            take(1, externalPhoneNumber=HUNG)
        wait_until(lambda: store.waiting_by_state()["sending"] == BUSY, 20)
        for number in range(WAITING // 2):
            take(1, externalEmail="dana@example.com")
            message = {"externalEmail": "ada@example.com", "text": f"Pushed {number}"}
            app.send_task("tasks.accept", args=[message], queue="intake")
        wait_until(lambda: held(broker) == WAITING)
        start("w2")
        killed.send(signal.SIGKILL)
        began = time.monotonic()
        wait_until(lambda: store.page(DeliveryState.SENT, 1, 1).total == WAITING, 20)
        assert time.monotonic() - began < 10
        wait_until(lambda: held(broker) == 0)
        assert broker.hlen("roundsman.workers") == 1
