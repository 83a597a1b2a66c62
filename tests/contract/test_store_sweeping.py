"""What every store promises of the sweep: what is due, lost or left by a dead worker moves again, once."""

import pytest

from messages.delivery import Beginning, Channel, Lease
from messages.reconciliation import AskPolicy
from messages.states import DeliveryState
from messages.store import Result
from tests.contract.in_doubt import take
from tests.stored import claim, shown, states

# What is due, and what was lost from a queue


def test_a_scheduled_message_waits_for_its_time(store, accept, clock):
    accepted = accept(externalPhoneNumber="804-222-1111", text="Hello", sendAt="2023-11-15T00:00:00Z")
    assert accepted.waiting == ()
    assert shown(store, accepted.message_id)["status"] == "scheduled"
    assert store.sweep(clock(), {}, 0) == []
    clock.pass_seconds(2 * 3600)
    assert len(store.sweep(clock(), {}, 0)) == 1
    assert shown(store, accepted.message_id)["status"] == "queued"


def test_a_retry_waits_for_its_time_and_is_then_rung_once(store, accept, clock):
    accepted = accept(externalPhoneNumber="804-222-1111", text="Hello")
    claimed = claim(store, accepted, Channel.SMS, clock)[0]
    at = clock() + 30_000
    result = Result(claimed.claim, DeliveryState.QUEUED, "retryable", error="Busy (429).", next_attempt_at=at)
    store.record([result], clock())
    assert claim(store, accepted, Channel.SMS, clock) == []
    assert store.sweep(clock(), {}, 0) == []
    clock.pass_seconds(31)
    assert store.sweep(clock(), {}, 0) == list(accepted.waiting)
    assert store.sweep(clock(), {}, 0) == []
    again = claim(store, accepted, Channel.SMS, clock)[0]
    assert again.claim.attempt == 2
    assert again.claim.first_attempt_at == claimed.claim.first_attempt_at


def test_a_retry_that_is_due_at_once_is_rung_all_the_same(store, accept, clock):
    accepted = accept(externalPhoneNumber="804-222-1111", text="Hello")
    claimed = claim(store, accepted, Channel.SMS, clock)[0]
    result = Result(claimed.claim, DeliveryState.QUEUED, "retryable", next_attempt_at=clock())
    store.record([result], clock())
    assert store.sweep(clock(), {}, 0) == list(accepted.waiting)


def test_a_queue_entry_that_was_lost_is_rung_again_but_a_backlog_is_not(store, accept, clock):
    accepted = accept(externalPhoneNumber="804-222-1111", text="Hello")
    clock.pass_seconds(10)
    assert store.sweep(clock(), {}, 0) == []
    assert store.sweep(clock(), {Channel.EMAIL: clock()}, 0) == []
    assert store.sweep(clock(), {Channel.SMS: clock()}, 0) == list(accepted.waiting)
    assert store.sweep(clock(), {Channel.SMS: clock()}, 0) == []


def test_what_was_rung_before_all_that_is_queued_is_rung_again_and_no_backlog_is(store, accept, clock):
    lost = accept(externalPhoneNumber="804-222-1111", text="Hello")
    clock.pass_seconds(16 * 60)
    accept(externalPhoneNumber="804-222-1111", text="Hello")
    assert store.sweep(clock(), {}, 0) == []
    assert store.sweep(clock(), {Channel.EMAIL: clock()}, 0) == []
    assert store.sweep(clock(), {Channel.SMS: clock()}, 0) == list(lost.waiting)
    assert store.sweep(clock(), {Channel.SMS: clock()}, 0) == []


# Leases that ran out


def test_what_was_claimed_but_not_begun_is_queued_again_when_its_worker_died(store, accept, clock):
    accepted = accept(externalPhoneNumber="804-222-1111", text="Hello")
    claim(store, accepted, Channel.SMS, clock, lease=60)
    clock.pass_seconds(61)
    assert store.sweep(clock(), {}, 0) == list(accepted.waiting)
    delivery = shown(store, accepted.message_id)["deliveries"][0]
    assert (delivery["status"], delivery["attempts"][0]["outcome"]) == ("queued", "retryable")


def test_an_sms_whose_worker_died_becomes_unknown_and_is_not_sent_again(store, accept, clock):
    accepted = accept(externalPhoneNumber="804-222-1111", text="Hello")
    claimed = claim(store, accepted, Channel.SMS, clock, lease=60)[0]
    store.begin([Beginning(claimed.claim)], clock())
    clock.pass_seconds(61)
    assert store.sweep(clock(), {Channel.SMS: clock()}, 0) == []
    message = shown(store, accepted.message_id)
    assert message["status"] == "unknown"
    attempt = message["deliveries"][0]["attempts"][0]
    assert (attempt["outcome"], attempt["actionBy"]) == ("ambiguous", "nobody")
    assert claim(store, accepted, Channel.SMS, clock) == []


def test_after_a_crash_an_sms_is_asked_about_once_its_provider_has_had_the_time_to_list_it(
    store, accept, clock
):
    accepted = accept(externalPhoneNumber="804-222-1111", text="Hello")
    ids = [delivery_id for delivery_id, _ in accepted.waiting]
    claim = store.claim(ids, Channel.SMS, Lease(clock(), clock() + 120_000))[0].claim
    store.begin([Beginning(claim)], clock())
    policy = AskPolicy(settle_ms=60_000, max_age_ms=86_400_000, max_pause_ms=3_600_000)
    clock.pass_seconds(121)  # it may have been written until the lease ran out
    store.sweep(clock(), {}, 0, ask_after=policy.settle_ms)
    assert store.take_unknown(clock(), policy, 10) == []
    clock.pass_seconds(60)
    assert [asked.delivery_id for asked in store.take_unknown(clock(), policy, 10)] == ids


def test_an_email_whose_worker_died_is_sent_again_and_marked(store, accept, clock):
    accepted = accept(externalEmail="dana@example.com", text="Hello")
    claimed = claim(store, accepted, Channel.EMAIL, clock, lease=60)[0]
    store.begin([Beginning(claimed.claim)], clock())
    clock.pass_seconds(61)
    assert store.sweep(clock(), {}, 0) == list(accepted.waiting)
    claim(store, accepted, Channel.EMAIL, clock)
    attempts = shown(store, accepted.message_id)["deliveries"][0]["attempts"]
    assert [a.get("possibleDuplicate") for a in attempts] == [None, True]


@pytest.mark.parametrize(
    ("hold", "state", "action_by"), [(True, "unknown", "operator"), (False, "queued", "nobody")]
)
def test_an_email_whose_worker_died_is_held_if_that_is_wanted(
    store, accept, clock, delivery, hold, state, action_by
):
    accepted = accept(externalEmail="dana@example.com", text="Hello")
    ids = [i for i, _ in accepted.waiting]
    claim = store.claim(ids, Channel.EMAIL, Lease(clock(), clock() + 1000))[0].claim
    store.begin([Beginning(claim)], clock())
    clock.pass_seconds(2)
    store.sweep(clock(), {}, 0, hold_email=hold)
    assert (delivery(accepted)["status"], delivery(accepted)["actionBy"]) == (state, action_by)
    clock.pass_seconds(3600)
    assert take(store, clock) == []


def test_an_email_that_may_have_arrived_three_times_is_not_sent_again(store, accept, clock):
    accepted = accept(externalEmail="dana@example.com", text="Hello")
    for _ in range(3):
        assert states(store, accepted.message_id) == {"email": "queued"}
        store.begin([Beginning(claim(store, accepted, Channel.EMAIL, clock, lease=60)[0].claim)], clock())
        clock.pass_seconds(61)
        store.sweep(clock(), {}, 0)
    assert states(store, accepted.message_id) == {"email": "unknown"}


def test_an_email_that_ends_every_worker_is_given_up_when_it_is_too_old(store, accept, clock):
    accepted = accept(externalEmail="dana@example.com", text="Hello")
    for _ in range(3):
        claim(store, accepted, Channel.EMAIL, clock, lease=60)
        clock.pass_seconds(61)
        give_up_before = clock() - 150_000
        store.sweep(clock(), {}, give_up_before)
    assert states(store, accepted.message_id) == {"email": "failed"}
    assert len(shown(store, accepted.message_id)["deliveries"][0]["attempts"]) == 3


def test_an_email_that_ends_every_worker_is_given_up_when_it_was_tried_often_enough(store, accept, clock):
    accepted = accept(externalEmail="dana@example.com", text="Hello")
    for status in ("queued", "queued", "failed"):
        claim(store, accepted, Channel.EMAIL, clock, lease=60)
        clock.pass_seconds(61)
        store.sweep(clock(), {}, 0, max_attempts=3)
        assert states(store, accepted.message_id) == {"email": status}


def test_lease_that_ends_in_an_outage_of_the_store_makes_no_delivery_fail(store, accept, clock):
    accepted = accept(externalEmail="dana@example.com", text="Hello")
    claim(store, accepted, Channel.EMAIL, clock, lease=60)
    clock.pass_seconds(61)
    store._db.availability.failed("the store is unavailable: its disk is full")
    store.sweep(clock(), {}, clock(), max_attempts=1)
    assert states(store, accepted.message_id) == {"email": "queued"}


# Workers that show no life


def claim_as(store, worker, accepted, clock):
    ids = [i for i, _ in accepted.waiting]
    lease = clock() + 120_000
    return store.claim(ids, Channel.EMAIL, Lease(clock(), lease, worker))[0].claim


def test_of_what_a_dead_worker_claimed_only_what_it_had_not_begun_is_queued_again_at_once(
    store, accept, clock
):
    begun, unbegun, other = (accept(externalEmail="dana@example.com", text="Hello") for _ in range(3))
    store.begin([Beginning(claim_as(store, "dead", begun, clock))], clock())
    late = claim_as(store, "dead", unbegun, clock)
    claim_as(store, "living", other, clock)
    store.void_unbegun({"dead", "gone"}, clock(), 0)
    assert [states(store, a.message_id)["email"] for a in (begun, unbegun, other)] == [
        "sending", "queued", "sending",
    ]  # fmt: skip
    assert store.begin([Beginning(late)], clock()) == [False]
    assert store.sweep(clock(), {}, 0) == list(unbegun.waiting)
    assert claim_as(store, "living", unbegun, clock).attempt == 2


def test_what_ends_every_worker_before_it_is_begun_is_given_up(store, accept, clock):
    accepted = accept(externalEmail="dana@example.com", text="Hello")
    for status in ("queued", "queued", "failed"):
        claim_as(store, "dead", accepted, clock)
        store.void_unbegun({"dead"}, clock(), 0, max_attempts=3)
        assert states(store, accepted.message_id) == {"email": status}
