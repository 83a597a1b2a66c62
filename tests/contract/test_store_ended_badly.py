"""What every store promises of an SMS that its provider took, and could not deliver."""

from dataclasses import replace

import pytest

from messages.delivery import Beginning, Channel, Lease
from messages.outcomes import ActionBy
from messages.reconciliation import Absent, Ended, Found, Listed
from messages.retry import TryAgain
from messages.states import DeliveryState
from messages.store import Reported, Result
from messages.view import show
from tests.contract.in_doubt import HELLO, listed, report, take

FAILED_THERE = Ended(DeliveryState.FAILED, "Twilio took it, and could not send it (30002)", "30002")


@pytest.fixture
def redriven(store, lose, clock):
    """An SMS that failed at Twilio and was redriven; its claim of then, and its Message."""
    accepted, claim = lose()
    found = replace(listed(clock), ended=FAILED_THERE)
    clock.pass_seconds(60)
    store.settle(take(store, clock)[0], [found], TryAgain(clock()), clock())
    assert store.redrive([accepted.message_id], "ada", clock()).moved == list(accepted.waiting)
    return accepted, claim


@pytest.mark.parametrize(
    ("ended", "outcome", "is_sent"),
    [
        (FAILED_THERE, "permanent", False),
        (
            Ended(DeliveryState.UNDELIVERED, "The phone is off (30003)", "30003", ActionBy.RECIPIENT),
            "sent",
            True,
        ),
        (
            Ended(DeliveryState.SUPPRESSED, "Opted out (21610)", "21610", ActionBy.RECIPIENT),
            "permanent",
            False,
        ),
    ],
)
def test_a_message_that_ended_badly_is_what_it_is_and_says_why(
    store, lose, clock, delivery, ended, outcome, is_sent
):
    accepted, _ = lose()
    found = replace(listed(clock), ended=ended)
    clock.pass_seconds(60)
    (asked,) = take(store, clock)
    assert store.settle(asked, [found], TryAgain(clock()), clock()) == Found("SM1", asked.since, ended)
    now = delivery(accepted)
    assert (now["status"], now["error"], now["providerId"]) == (ended.state, ended.reason, "SM1")
    assert (now["sentAt"] is not None) == is_sent
    attempt = now["attempts"][0]
    assert (attempt["outcome"], attempt["error"], attempt["code"]) == (outcome, ended.reason, ended.code)
    assert attempt["actionBy"] == now["actionBy"] == ended.action_by
    event = show(store.find([accepted.message_id]), 0, store.objects)[0]["events"][-1]
    assert (event["type"], event["detail"]) == (ended.state, ended.reason)
    assert take(store, clock) == []


def test_a_late_report_of_what_failed_there_does_not_stop_its_redrive(store, redriven, clock, delivery):
    accepted, claim = redriven
    assert report(store, claim, clock, "SM1") is Reported.NOTHING_NEW
    assert delivery(accepted)["status"] == "queued"
    assert report(store, claim, clock, "SM2") is Reported.MOVED
    assert (delivery(accepted)["status"], delivery(accepted)["providerId"]) == ("sent", "SM2")


def test_what_failed_there_is_taken_for_no_other_attempt_or_delivery(store, redriven, lose, clock, delivery):
    accepted, claim = redriven
    again = store.claim([claim.delivery_id], Channel.SMS, Lease(clock(), clock() + 120_000))[0].claim
    store.begin([Beginning(again, HELLO)], clock())
    store.record([Result(again, DeliveryState.UNKNOWN, "ambiguous", error="No answer.")], clock())
    other, _ = lose()
    found = Listed("SM1", HELLO, (clock() - 60_000) // 1000 * 1000, FAILED_THERE)
    clock.pass_seconds(60)
    for asked in take(store, clock):
        assert store.settle(asked, [found], TryAgain(clock()), clock()) == Absent()
    assert [delivery(a)["status"] for a in (accepted, other)] == ["queued", "queued"]
