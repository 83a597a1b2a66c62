"""Two real workers and a sender with a rate: together they keep to it, and hold up nobody else."""

import time

import pytest

from messages.clock import system_clock
from messages.delivery import Channel
from messages.states import DeliveryState
from tests.servers import wait_until

pytestmark = pytest.mark.slow

RATE = 5
SLOW, QUICK = "+15005550006", "+18045550100"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_two_workers_keep_a_sender_to_its_rate_and_hold_up_no_other(store, twilio, start, take):
    arrived: list[float] = []

    def dated() -> int:
        arrived.append(time.monotonic())
        return system_clock()

    twilio.clock = dated
    for name in ("w1", "w2"):
        start(name, SMS_RATES=f"{SLOW}={RATE}", ready=name == "w2")
    take(30, externalPhoneNumber="804-222-1111", internalPhoneNumber=SLOW)
    take(30, externalPhoneNumber="804-222-1111", internalPhoneNumber=QUICK)
    wait_until(lambda: sum(f["From"] == [QUICK] for f in twilio.created) == 30)
    assert store.waiting_for_rates().get(Channel.SMS, 0) > 5
    wait_until(lambda: store.page(DeliveryState.SENT, 1, 1).total == 60, 30)
    slow = [at for at, form in zip(arrived, twilio.created, strict=True) if form["From"] == [SLOW]]
    assert len(slow) == 30
    for first in range(20):  # over 2 s and more: what the machine delays, less than half a second
        assert slow[first + 10] - slow[first] > 10 / RATE - 0.5
    assert slow[-1] - slow[0] > 29 / RATE - 0.2
