"""What every store makes of a report that an SMS failed, or was undelivered, before the send was recorded."""

import pytest

from messages.delivery import Beginning, Channel, Lease
from messages.outcomes import ActionBy
from messages.reconciliation import text_hash
from messages.states import DeliveryState
from messages.store import Reported, Result
from messages.view import show

S = DeliveryState


@pytest.fixture
def begin(store, clock):
    """Claim these Deliveries of one SMS and begin to send it; gives the claim."""

    def one(accepted):
        ids = [delivery_id for delivery_id, _ in accepted.waiting]
        claim = store.claim(ids, Channel.SMS, Lease(clock(), clock() + 120_000))[0].claim
        assert store.begin([Beginning(claim, text_hash("Hello"))], clock()) == [True]
        return claim

    return one


@pytest.fixture
def accepted(accept):
    return accept(externalPhoneNumber="804-222-1111", text="Hello")


def report(store, accepted, clock, after, sid="SM1"):
    delivery_id = accepted.waiting[0][0]
    return store.report(
        delivery_id,
        sid,
        after,
        detail="It could not.",
        code="30002",
        action_by=ActionBy.RECIPIENT,
        now=clock(),
    )


def delivery(store, accepted):
    return show(store.find([accepted.message_id]), 0, store.objects)[0]["deliveries"][0]


@pytest.mark.parametrize("after", [S.FAILED, S.UNDELIVERED, S.SUPPRESSED])
def test_it_stands_whatever_the_send_comes_to_afterwards(store, accepted, begin, clock, after):
    claim = begin(accepted)
    assert report(store, accepted, clock, after) is Reported.MOVED
    lost = Result(claim, S.UNKNOWN, "ambiguous", error="No answer.")
    assert store.record([lost], clock()) == [False]
    answered = Result(claim, S.SENT, "sent", provider_id="SM1", segments=2)
    assert store.record([answered], clock()) == [True]
    now = delivery(store, accepted)
    assert (now["status"], now["error"], now["segments"]) == (after, "It could not.", 2)
    clock.pass_seconds(3600)
    store.sweep(clock(), {}, 0)
    assert delivery(store, accepted)["status"] == after


def test_what_was_undelivered_had_been_sent_and_its_events_say_so(store, accepted, begin, clock):
    begin(accepted)
    report(store, accepted, clock, S.UNDELIVERED)
    events = show(store.find([accepted.message_id]), 0, store.objects)[0]["events"]
    assert [event["type"] for event in events][-2:] == ["sent", "undelivered"]


def test_an_opt_out_that_is_reported_after_the_sms_was_accepted_is_final(store, accepted, begin, clock):
    claim = begin(accepted)
    store.record([Result(claim, S.SENT, "sent", provider_id="SM1", segments=1)], clock())
    assert report(store, accepted, clock, S.SUPPRESSED) is Reported.MOVED
    now = delivery(store, accepted)
    assert (now["status"], now["sentAt"], now["actionBy"]) == ("suppressed", None, "recipient")
    assert now["attempts"][0]["outcome"] == "permanent"
    for late in (S.SENT, S.UNDELIVERED, S.SUPPRESSED):
        assert report(store, accepted, clock, late) is Reported.NOTHING_NEW
    assert store.redrive([accepted.message_id], "ada", clock()).moved == []


@pytest.mark.parametrize(
    ("after", "outcome", "is_sent"),
    [(S.UNDELIVERED, "sent", True), (S.FAILED, "permanent", False), (S.SUPPRESSED, "permanent", False)],
)
def test_what_failed_by_the_time_it_was_accepted_is_recorded_with_its_id_and_who_has_to_act(
    store, accepted, begin, clock, after, outcome, is_sent
):
    result = Result(
        begin(accepted),
        after,
        outcome,
        error="No.",
        code="30005",
        action_by=ActionBy.RECIPIENT,
        provider_id="SM1",
    )
    assert store.record([result], clock()) == [True]
    now = delivery(store, accepted)
    assert (now["status"], now["error"], now["providerId"]) == (after, "No.", "SM1")
    assert (now["sentAt"] is not None) == is_sent
    attempt = now["attempts"][0]
    assert (attempt["outcome"], attempt["code"], attempt["actionBy"]) == (outcome, "30005", "recipient")
    assert report(store, accepted, clock, S.UNDELIVERED) is Reported.NOTHING_NEW
    assert delivery(store, accepted)["status"] == after


def test_a_warning_becomes_the_detail_of_the_event(store, accepted, begin, clock):
    result = Result(begin(accepted), S.SENT, "sent", detail="The Reply-To was left out.", provider_id="x")
    assert store.record([result], clock()) == [True]
    shown = show(store.find([accepted.message_id]), 0, store.objects)[0]
    assert shown["deliveries"][0]["error"] is None
    assert (shown["events"][-1]["type"], shown["events"][-1]["detail"]) == (
        "sent",
        "The Reply-To was left out.",
    )


@pytest.fixture
def tried_again(store, accepted, begin, clock):
    """A first attempt that was held for not sent; queued again."""
    again = Result(begin(accepted), S.QUEUED, "retryable", error="Busy.", next_attempt_at=clock())
    assert store.record([again], clock()) == [True]
    return accepted


def test_a_first_attempt_that_failed_after_all_does_not_stop_the_second(store, tried_again, begin, clock):
    assert report(store, tried_again, clock, S.FAILED) is Reported.NOTHING_NEW
    claim = begin(tried_again)
    assert report(store, tried_again, clock, S.FAILED) is Reported.NOTHING_NEW
    assert store.record([Result(claim, S.SENT, "sent", provider_id="SM2", segments=1)], clock()) == [True]
    assert report(store, tried_again, clock, S.FAILED) is Reported.NOT_ITS_OWN
    now = delivery(store, tried_again)
    assert (now["status"], now["providerId"]) == ("sent", "SM2")


def test_a_first_attempt_that_had_left_after_all_is_not_followed_by_a_second(store, tried_again, clock):
    assert report(store, tried_again, clock, S.UNDELIVERED) is Reported.MOVED
    ids = [delivery_id for delivery_id, _ in tried_again.waiting]
    assert store.claim(ids, Channel.SMS, Lease(clock(), clock() + 1)) == []


def test_one_that_failed_can_be_redriven_and_late_reports_of_it_do_not_stop_that(
    store, accepted, begin, clock
):
    begin(accepted)
    report(store, accepted, clock, S.FAILED)
    assert store.redrive([accepted.message_id], "ada", clock()).moved == list(accepted.waiting)
    for late in (S.SENT, S.FAILED):
        assert report(store, accepted, clock, late) is Reported.NOTHING_NEW
    assert delivery(store, accepted)["status"] == "queued"
