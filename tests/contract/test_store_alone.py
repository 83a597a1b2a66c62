"""What is alone is found, and claimed only as it begins."""

import threading
from dataclasses import replace

import pytest
from sqlalchemy import select

from messages.clock import to_iso
from messages.delivery import Beginning, Channel, Claim, Lane, Lease
from messages.states import DeliveryState
from messages.store import Result, Store
from messages.store.schema import attempts, deliveries
from tests.conftest import Ticking
from tests.stored import shown

EMAIL = {"externalEmail": "dana@customer.example", "text": "Hello"}


def found(store: Store, delivery_id: str, clock: Ticking, worker: str | None = "w1") -> Claim | None:
    claimed = store.find_alone(delivery_id, Channel.EMAIL, Lease(clock(), clock() + 60_000, worker))
    return None if claimed is None else claimed.claim


def begin(store: Store, claim: Claim, clock: Ticking) -> bool:
    return store.claim_and_begin([Beginning(claim)], clock()) == [True]


def test_what_is_found_is_held_by_nobody_until_it_begins(store, accept, clock):
    accepted = accept(id="m-1", **EMAIL)
    claim = found(store, accepted.waiting[0][0], clock)
    assert shown(store, "m-1")["status"] == "queued"
    assert begin(store, claim, clock)
    message = shown(store, "m-1")
    [delivery] = message["deliveries"]
    assert (message["status"], len(delivery["attempts"])) == ("sending", 1)
    assert store.record([Result(claim, DeliveryState.SENT, "sent")], clock()) == [True]
    assert [event["type"] for event in shown(store, "m-1")["events"]] == ["queued", "sending", "sent"]


def test_of_those_that_begin_the_same_one_does_not_the_others(store, accept, clock):
    [(delivery_id, _)] = accept(id="m-1", **EMAIL).waiting
    claims = [found(store, delivery_id, clock) for _ in range(4)]
    begun: list[bool] = []
    threads = [
        threading.Thread(target=lambda claim=claim: begun.append(begin(store, claim, clock)))
        for claim in claims
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(begun) == [False, False, False, True]
    assert len(shown(store, "m-1")["deliveries"][0]["attempts"]) == 1


@pytest.mark.parametrize("first", ["claim", "begin", "take"])
def test_what_somebody_else_has_can_neither_begin_nor_be_taken(store, accept, clock, first):
    [(delivery_id, _)] = accept(id="m-1", **EMAIL).waiting
    mine, theirs = found(store, delivery_id, clock), found(store, delivery_id, clock, "w2")
    if first == "claim":
        assert store.claim([delivery_id], Channel.EMAIL, Lease(clock(), clock() + 60_000))
    elif first == "begin":
        assert begin(store, theirs, clock)
    else:
        assert store.take(theirs, clock())
    assert not begin(store, mine, clock)
    assert not store.take(mine, clock())
    assert not store.take(mine, clock(), again=True)
    assert len(shown(store, "m-1")["events"]) == 2


def test_what_is_taken_is_a_claim_like_any_other(store, accept, clock):
    [(delivery_id, _)] = accept(id="m-1", **EMAIL).waiting
    claim = found(store, delivery_id, clock)
    assert store.take(claim, clock())
    assert store.begin([Beginning(claim)], clock()) == [True]


@pytest.mark.parametrize("first", ["begin", "take"])
def test_what_is_ours_already_is_taken_though_the_answer_was_lost(store, accept, clock, first):
    [(delivery_id, _)] = accept(id="m-1", **EMAIL).waiting
    claim = found(store, delivery_id, clock)
    assert begin(store, claim, clock) if first == "begin" else store.take(claim, clock())
    assert not store.take(claim, clock())
    assert store.take(claim, clock(), again=True)
    again = Result(claim, DeliveryState.QUEUED, "retryable", next_attempt_at=clock())
    assert store.record([again], clock()) == [True]
    assert not store.take(claim, clock(), again=True)


def test_a_claim_of_the_same_worker_in_the_same_moment_is_not_taken_for_ours(store, accept, clock):
    [(delivery_id, _)] = accept(id="m-1", **EMAIL).waiting
    mine, now = found(store, delivery_id, clock), clock()
    assert store.claim([delivery_id], Channel.EMAIL, Lease(now, now + 60_000, "w1"))
    assert not begin(store, mine, clock)
    assert not store.take(mine, clock())


def test_nothing_is_known_to_be_ours_without_a_workers_name(store, accept, clock):
    [(delivery_id, _)] = accept(id="m-1", **EMAIL).waiting
    claim = found(store, delivery_id, clock, None)
    assert begin(store, claim, clock)
    assert not store.take(claim, clock(), again=True)


def test_each_of_those_that_begin_together_is_told_of_itself(store, accept, clock):
    ids = [accept(id=f"m-{n}", **EMAIL).waiting[0][0] for n in range(3)]
    alone = [found(store, delivery_id, clock) for delivery_id in ids]
    assert begin(store, found(store, ids[1], clock, "w2"), clock)
    assert store.claim_and_begin([Beginning(one) for one in alone], clock()) == [True, False, True]


def test_its_lease_its_worker_and_the_hash_of_its_text_are_kept(store, accept, clock):
    [(delivery_id, _)] = accept(id="m-1", externalPhoneNumber="804-222-1111", text="Hello").waiting
    now = clock()
    [claim] = [store.find_alone(delivery_id, Channel.SMS, Lease(now, now + 60_000, "w1")).claim]
    assert store.claim_and_begin([Beginning(claim, "hashed")], now) == [True]
    with store._db.read() as tx:
        [delivery] = tx.execute(select(deliveries))
        [attempt] = tx.execute(select(attempts))
    assert (delivery.worker, delivery.lease_until, delivery.begun_at) == ("w1", now + 60_000, now)
    assert (attempt.number, attempt.started_at, attempt.text_hash) == (1, now, "hashed")


@pytest.mark.parametrize("meanwhile", ["canceled", "expired", "rung again", "its lease is over"])
def test_what_happened_meanwhile_forbids_it_to_begin_and_to_be_taken(store, accept, clock, meanwhile):
    soon = to_iso(clock() + 20_000)
    [(delivery_id, _)] = accept(id="m-1", expiresAt=soon, **EMAIL).waiting
    claim = found(store, delivery_id, clock)
    if meanwhile == "canceled":
        store.cancel(["m-1"], "ops", clock())
    elif meanwhile == "expired":
        clock.pass_seconds(21)
    elif meanwhile == "rung again":
        clock.pass_seconds(10)
        assert store.sweep(clock(), {Lane.EMAIL: clock()}, 0)
    else:
        claim = replace(claim, lease=replace(claim.lease, until=clock()))
    assert not begin(store, claim, clock)
    assert not store.take(claim, clock())


def test_what_was_rung_again_or_tried_is_claimed_before_it_is_rendered(store, accept, clock):
    [(rung, _)] = accept(**EMAIL).waiting
    [(tried, _)] = accept(**EMAIL).waiting
    [claimed] = store.claim([tried], Channel.EMAIL, Lease(clock(), clock() + 60_000))
    store.record([Result(claimed.claim, DeliveryState.QUEUED, "retryable", next_attempt_at=clock())], clock())
    assert found(store, tried, clock) is None
    assert found(store, rung, clock) is not None
    clock.pass_seconds(10)
    assert rung in [delivery_id for delivery_id, _ in store.sweep(clock(), {Lane.EMAIL: clock()}, 0)]
    assert found(store, rung, clock) is None
