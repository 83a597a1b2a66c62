"""What waits for its sender's rate, in every store."""

from messages.delivery import Channel, Lease
from messages.states import DeliveryState
from messages.store import Result
from tasks.follow_up import postponed

SMS = {"externalPhoneNumber": "804-222-1111", "text": "Hello"}


def claim(store, accepted, clock):
    ids = [delivery_id for delivery_id, _ in accepted.waiting]
    return store.claim(ids, Channel.SMS, Lease(clock(), clock() + 60_000))


def only(store, accepted):
    [stored] = store.find([accepted.message_id])
    return stored


def test_what_is_postponed_waits_for_its_place_and_has_not_been_tried(store, accept, clock):
    accepted = accept(**SMS)
    [claimed] = claim(store, accepted, clock)
    assert not claimed.claim.placed
    assert store.record([postponed(claimed.claim, clock() + 90_000)], clock()) == [True]
    stored = only(store, accepted)
    [row] = stored.deliveries
    assert (row.state, row.next_attempt_at, row.lease_until) == ("queued", clock() + 90_000, None)
    assert (row.first_attempt, row.first_attempt_at, stored.attempts[row.id]) == (None, None, [])
    assert stored.status == DeliveryState.QUEUED
    assert [e.detail for e in stored.events if e.type == "queued"][-1] == row.error
    assert "a second" in row.error
    assert store.waiting_for_rates() == {Channel.SMS: 1}


def test_it_is_rung_and_claimed_when_its_place_has_come_and_not_before(store, accept, clock):
    accepted = accept(**SMS)
    [claimed] = claim(store, accepted, clock)
    store.record([postponed(claimed.claim, clock() + 90_000)], clock())
    clock.pass_seconds(89)
    assert store.sweep(clock(), {Channel.SMS: clock()}, 0) == []
    assert claim(store, accepted, clock) == []
    clock.pass_seconds(1)
    assert store.sweep(clock(), {}, 0) == list(accepted.waiting)
    [again] = claim(store, accepted, clock)
    assert (again.claim.placed, again.claim.attempt) == (True, 2)
    assert (again.claim.tries.count, again.claim.tries.first_at) == (1, clock())


def test_what_was_tried_before_it_was_postponed_still_counts(store, accept, clock):
    accepted = accept(**SMS)
    first_at = clock()
    [claimed] = claim(store, accepted, clock)
    store.record(
        [Result(claimed.claim, DeliveryState.QUEUED, "retryable", "Busy.", next_attempt_at=first_at)],
        first_at,
    )
    clock.pass_seconds(10)
    [second] = claim(store, accepted, clock)
    assert not second.claim.placed
    store.record([postponed(second.claim, clock() + 1000)], clock())
    clock.pass_seconds(10)
    [third] = claim(store, accepted, clock)
    assert (third.claim.tries.count, third.claim.tries.first_at) == (2, first_at)
    [row] = only(store, accepted).deliveries
    assert [a.number for a in only(store, accepted).attempts[row.id]] == [1, 3]


def test_once_it_is_sent_or_tried_it_waits_for_no_rate_any_more(store, accept, clock):
    accepted = accept(**SMS)
    [claimed] = claim(store, accepted, clock)
    store.record([postponed(claimed.claim, clock())], clock())
    [again] = claim(store, accepted, clock)
    assert store.waiting_for_rates() == {}
    store.record(
        [Result(again.claim, DeliveryState.QUEUED, "retryable", "Busy.", next_attempt_at=clock())], clock()
    )
    assert store.waiting_for_rates() == {}
    [retried] = claim(store, accepted, clock)
    assert not retried.claim.placed


def test_whoever_lost_the_claim_postpones_nothing(store, accept, clock):
    accepted = accept(**SMS)
    [stale] = claim(store, accepted, clock)
    clock.pass_seconds(61)
    store.sweep(clock(), {}, 0)
    claim(store, accepted, clock)
    assert store.record([postponed(stale.claim, clock() + 90_000)], clock()) == [False]
    stored = only(store, accepted)
    assert stored.deliveries[0].state == "sending"
    assert [a.number for a in stored.attempts[stored.deliveries[0].id]] == [1, 2]


def test_what_waits_for_its_place_can_be_canceled(store, accept, clock):
    accepted = accept(**SMS)
    [claimed] = claim(store, accepted, clock)
    store.record([postponed(claimed.claim, clock() + 90_000)], clock())
    assert store.cancel([accepted.message_id], "ada", clock()).moved == list(accepted.waiting)
    assert store.waiting_for_rates() == {}
