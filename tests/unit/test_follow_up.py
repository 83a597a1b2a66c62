import pytest

from messages.delivery import Channel, Claim, Lease, Route
from messages.outcomes import ActionBy, Failed, FailureKind, Sent
from messages.retry import RetryPolicy
from messages.segments import segments_of
from messages.states import DeliveryState, may_move
from tasks.follow_up import follow_up

SMS, EMAIL = Route(Channel.SMS, "+18042221111", None), Route(Channel.EMAIL, "dana@example.com", None)
LEASE = Lease(0, 10_000)
POLICY = RetryPolicy(30, 3600, 86_400, 5)
REFUSED = Failed(FailureKind.PERMANENT, "No such number (21211).", code="21211", action_by=ActionBy.RECIPIENT)
BUSY = Failed(FailureKind.RETRYABLE, "Busy (429).", code="429", action_by=ActionBy.NOBODY)
LOST = Failed(FailureKind.AMBIGUOUS, "The reply was lost.", action_by=ActionBy.NOBODY)
OPTED_OUT = Failed(FailureKind.PERMANENT, "Opted out (21610).", code="21610", opted_out=True)

UNDELIVERED = Failed(FailureKind.PERMANENT, "Gone (30005).", provider_id="SM1", undelivered=True)


def result(outcome, route=SMS, now=1000, attempt=1, first_attempt=1, expires_at=None):
    claim = Claim("dlv_1", "msg_1", route, attempt, 0, LEASE, first_attempt, expires_at)
    return follow_up(
        outcome,
        claim,
        now=now,
        policy=POLICY,
        random=lambda: 0.5,
        segments=segments_of("Hi") if route is SMS else None,
    )


@pytest.mark.parametrize(
    ("outcome", "route", "state"),
    [
        (Sent("SM1"), SMS, DeliveryState.SENT),
        (Sent("<1@x>"), EMAIL, DeliveryState.SENT),
        (REFUSED, SMS, DeliveryState.FAILED),
        (REFUSED, EMAIL, DeliveryState.FAILED),
        (BUSY, SMS, DeliveryState.QUEUED),
        (BUSY, EMAIL, DeliveryState.QUEUED),
        (LOST, SMS, DeliveryState.UNKNOWN),
        (LOST, EMAIL, DeliveryState.QUEUED),
        (OPTED_OUT, SMS, DeliveryState.SUPPRESSED),
        (UNDELIVERED, SMS, DeliveryState.UNDELIVERED),
    ],
)
def test_an_outcome_leads_to_a_state_that_may_follow_sending(outcome, route, state):
    assert result(outcome, route).state == state
    assert may_move(DeliveryState.SENDING, state)


def test_what_was_accepted_and_not_delivered_counts_as_sent_and_keeps_its_id():
    undelivered = result(UNDELIVERED)
    assert (undelivered.outcome, undelivered.provider_id) == ("sent", "SM1")
    assert undelivered.error == "Gone (30005)."


@pytest.mark.parametrize(
    ("failed", "route", "now", "action_by"),
    [
        (BUSY, SMS, 1000, ActionBy.NOBODY),
        (BUSY, SMS, 86_400_000, ActionBy.OPERATOR),  # its tries are used up
        (REFUSED, SMS, 1000, ActionBy.RECIPIENT),
        (LOST, SMS, 1000, ActionBy.NOBODY),
    ],
)
def test_a_failure_says_who_has_to_act(failed, route, now, action_by):
    assert result(failed, route, now=now).action_by is action_by


def test_an_e_mail_without_its_reply_to_says_so_in_its_event():
    assert result(Sent("<1@x>", warning="Left out."), EMAIL).detail == "Left out."


def test_a_retry_has_a_time_and_keeps_the_reason():
    queued = result(BUSY)
    assert (queued.next_attempt_at, queued.error, queued.code) == (16_000, "Busy (429).", "429")
    assert queued.outcome == "retryable"


def test_an_attempt_too_old_to_repeat_fails():
    given_up = result(BUSY, now=86_400_000)
    assert given_up.state == DeliveryState.FAILED
    assert "Given up" in given_up.error


def test_an_attempt_whose_repeat_would_come_too_late_expires():
    too_late = result(BUSY, expires_at=16_000)
    assert (too_late.state, too_late.next_attempt_at) == (DeliveryState.EXPIRED, None)
    assert too_late.error.startswith("Busy (429).")
    assert too_late.outcome == "retryable"
    assert result(BUSY, expires_at=16_001).state == DeliveryState.QUEUED


def test_an_sms_in_doubt_stays_unknown_even_when_it_is_too_old():
    assert result(LOST, expires_at=1).state == DeliveryState.UNKNOWN


def test_what_was_redriven_is_counted_anew():
    assert result(BUSY, attempt=5).state == DeliveryState.FAILED
    assert result(BUSY, attempt=5, first_attempt=5).next_attempt_at == 16_000


def test_an_sms_records_its_segments_whatever_came_of_it():
    assert (result(Sent("SM1")).segments, result(Sent("SM1")).encoding) == (1, "GSM-7")
    assert result(REFUSED).segments == 1
    assert result(Sent("<1@x>"), EMAIL).segments is None


def test_an_email_that_was_in_doubt_too_often_is_not_sent_again():
    claim = Claim("dlv_1", "msg_1", EMAIL, 3, 0, LEASE, doubts=2)
    followed = follow_up(LOST, claim, now=1000, policy=POLICY, random=lambda: 0.5)
    assert followed.state is DeliveryState.UNKNOWN


def test_what_became_of_an_sms_in_doubt_is_asked_after_a_while():
    claim = Claim("dlv_1", "msg_1", SMS, 1, 0, LEASE)
    asked = follow_up(LOST, claim, now=1000, policy=POLICY, random=lambda: 0.5, ask_after=60_000)
    assert (asked.state, asked.next_attempt_at) == (DeliveryState.UNKNOWN, 61_000)
