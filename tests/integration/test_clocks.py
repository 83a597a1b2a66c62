"""A machine whose clock is astray leaves alone what others hold."""

from dataclasses import replace

import pytest

from messages.clock import system_clock
from messages.delivery import Beginning, Channel, Lease
from tasks.clocks import ClockAstray
from tasks.reconcile import reconcile
from tasks.sweep import sweep
from tests.servers import wait_until
from worker.rounds import Rounds


@pytest.fixture
def on_the_wire(parts, accept, clock):
    """An SMS that another machine is handing over."""
    ((delivery_id, _),) = accept(externalPhoneNumber="804-222-1111", text="Hello").waiting
    lease_until = clock() + parts.lease_ms
    claim = parts.store.claim([delivery_id], Channel.SMS, Lease(clock(), lease_until))[0].claim
    assert parts.store.begin([Beginning(claim)], clock()) == [True]


def off_by(parts, clock, seconds):
    """As a machine of which the clock is ahead by so many seconds."""
    return replace(parts, clock=lambda: clock() + int(seconds * 1000), broker_clock=clock)


@pytest.mark.usefixtures("on_the_wire")
@pytest.mark.parametrize("seconds", [200, 31])
def test_a_clock_that_is_ahead_ends_no_lease(parts, clock, seconds):
    clock.pass_seconds(110)
    sweep(off_by(parts, clock, seconds))
    assert parts.store.waiting_by_state()["sending"] == 1
    sweep(off_by(parts, clock, 29))
    assert parts.store.waiting_by_state()["unknown"] == 1


@pytest.mark.parametrize(("seconds", "word"), [(31, "ahead of"), (-31, "behind")])
def test_nobody_is_asked_by_a_clock_that_is_astray_and_the_log_says_so_once(
    parts, clock, caplog, seconds, word
):
    astray = off_by(parts, clock, seconds)
    with pytest.raises(ClockAstray, match=word):
        reconcile(astray)
    made: list[None] = []
    rounds = Rounds(astray, lambda: made.append(None), every=0.01)
    rounds.start()
    wait_until(lambda: len(made) > 20)
    rounds.stop()
    assert caplog.text.count("No reconcile: this machine's clock") == 1


@pytest.mark.usefixtures("on_the_wire")
def test_without_a_broker_the_clock_is_trusted(parts, clock):
    def away():
        raise ConnectionError

    clock.pass_seconds(121)
    sweep(replace(parts, broker_clock=away))
    assert parts.store.waiting_by_state()["unknown"] == 1


def test_the_broker_tells_the_time(parts):
    before = system_clock()
    assert before - 5 <= parts.doorbell.time() <= system_clock() + 5
