"""What every store promises of reports: what a provider says of a Delivery, early, late or twice."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from messages.delivery import Channel, Lease
from messages.retry import TryAgain
from messages.states import DeliveryState
from messages.store import Reported, Result
from messages.view import show
from tests.contract.in_doubt import SENT, report, take


def test_a_report_settles_what_is_unknown_once(store, lose, clock, delivery):
    accepted, claim = lose()
    clock.pass_seconds(1)
    assert report(store, claim, clock) is Reported.MOVED
    assert report(store, claim, clock) is Reported.NOTHING_NEW
    shown = show(store.find([accepted.message_id]), 0, store.objects)[0]
    assert (shown["status"], shown["deliveries"][0]["providerId"]) == ("sent", "SM1")
    assert [e["type"] for e in shown["events"]].count("sent") == 1
    assert shown["events"][-1]["detail"] == "Reported."


def test_a_report_that_comes_before_the_answer_is_completed_by_it(store, begin, clock, delivery):
    accepted, claim = begin()
    assert report(store, claim, clock) is Reported.MOVED
    result = Result(claim, SENT, "sent", provider_id="SM1", segments=2, encoding="UCS-2")
    assert store.record([result], clock()) == [True]
    assert store.record([result], clock()) == [False]
    shown = show(store.find([accepted.message_id]), 0, store.objects)[0]
    assert (shown["status"], shown["deliveries"][0]["segments"]) == ("sent", 2)
    assert [e["type"] for e in shown["events"]].count("sent") == 1


def test_an_attempt_that_seems_lost_after_a_report_changes_nothing(store, begin, clock, delivery):
    accepted, claim = begin()
    report(store, claim, clock)
    lost = Result(claim, DeliveryState.UNKNOWN, "ambiguous", error="No answer.")
    assert store.record([lost], clock()) == [False]
    clock.pass_seconds(3600)
    store.sweep(clock(), {}, 0)
    assert delivery(accepted)["status"] == "sent"


def test_a_report_stops_a_retry_that_waits(store, lose, clock, delivery):
    accepted, claim = lose()
    clock.pass_seconds(60)
    store.settle(take(store, clock)[0], [], TryAgain(clock()), clock())
    assert report(store, claim, clock) is Reported.MOVED
    assert store.sweep(clock(), {}, 0) == []
    ids = [i for i, _ in accepted.waiting]
    assert store.claim(ids, Channel.SMS, Lease(clock(), clock() + 1)) == []


@pytest.mark.parametrize("state", [DeliveryState.FAILED, DeliveryState.SUPPRESSED])
def test_a_report_moves_nothing_backwards(store, begin, clock, delivery, state):
    accepted, claim = begin()
    store.record([Result(claim, state, "permanent", error="No.")], clock())
    assert report(store, claim, clock) is Reported.NOTHING_NEW
    assert delivery(accepted)["status"] == state


def test_a_report_of_another_message_changes_nothing(store, begin, lose, clock, delivery):
    accepted, claim = begin()
    store.record([Result(claim, SENT, "sent", provider_id="SM1", segments=1)], clock())
    assert report(store, claim, clock, "SM2") is Reported.NOT_ITS_OWN
    assert delivery(accepted)["providerId"] == "SM1"
    other, in_doubt = lose()
    assert report(store, in_doubt, clock, "SM1") is Reported.NOT_ITS_OWN
    assert delivery(other)["status"] == "unknown"


def test_a_report_of_what_nobody_knows_says_so(store, clock):
    found = store.report("dlv_nobody", "SM1", SENT, detail="", now=clock())
    assert found is Reported.NO_SUCH_DELIVERY


def test_many_reports_at_once_move_it_once(store, lose, clock):
    _, claim = lose()
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: report(store, claim, clock), range(20)))
    assert found.count(Reported.MOVED) == 1
    assert set(found) <= {Reported.MOVED, Reported.NOTHING_NEW}
