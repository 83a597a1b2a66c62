"""Expiry on every store: from its time on nothing is begun, and what waits is put aside by the sweep."""

import pytest

from messages.acceptance import Acceptor
from messages.catalogue import Catalogue, Part, Template
from messages.delivery import Beginning, Channel, Lease
from messages.errors import InvalidMessage
from messages.states import DeliveryState
from messages.store import Accepted, Result, Store
from tests.conftest import Ticking
from tests.stored import shown

#: A minute after the test clock's beginning.
SOON = "2023-11-14T22:14:20Z"
SMS = {"externalPhoneNumber": "804-222-1111", "text": "Hello"}


def claim(store: Store, accepted: Accepted, clock: Ticking, seconds: float = 300) -> list:
    ids = [delivery_id for delivery_id, _ in accepted.waiting]
    return store.claim(ids, Channel.SMS, Lease(clock(), clock() + int(seconds * 1000)))


def test_what_waits_beyond_its_time_is_not_claimed_and_expires_with_an_event(store, accept, clock):
    accepted = accept(**SMS, expiresAt=SOON)
    assert shown(store, accepted.message_id)["deliveries"][0]["expiresAt"] == "2023-11-14T22:14:20.000Z"
    clock.pass_seconds(59)
    assert store.sweep(clock(), {}, 0) == []
    assert shown(store, accepted.message_id)["status"] == "queued"
    clock.pass_seconds(1)
    assert claim(store, accepted, clock) == []
    assert store.sweep(clock(), {Channel.SMS: clock()}, 0) == []
    message = shown(store, accepted.message_id)
    assert (message["status"], message["deliveries"][0]["error"]) == (
        "expired",
        "It expired while it waited.",
    )
    assert message["events"][-1]["type"] == "expired"
    assert message["events"][-1]["at"] == "2023-11-14T22:14:20.000Z"


def test_it_is_claimed_until_then(store, accept, clock):
    accepted = accept(**SMS, expiresAt=SOON)
    clock.pass_seconds(59.999)
    assert claim(store, accepted, clock)[0].claim.expires_at == 1_700_000_060_000


def test_what_was_claimed_in_time_is_not_begun_too_late(store, accept, clock):
    accepted = accept(**SMS, expiresAt=SOON)
    held = claim(store, accepted, clock)[0].claim
    clock.pass_seconds(60)
    assert store.begin([Beginning(held)], clock()) == [False]
    assert store.record([Result(held, DeliveryState.EXPIRED, "retryable", "Too late.")], clock()) == [True]


def test_what_was_begun_in_time_is_recorded_whenever_it_ends(store, accept, clock):
    accepted = accept(**SMS, expiresAt=SOON)
    held = claim(store, accepted, clock)[0].claim
    assert store.begin([Beginning(held)], clock()) == [True]
    clock.pass_seconds(120)
    store.sweep(clock(), {}, 0)
    assert store.record([Result(held, DeliveryState.SENT, "sent")], clock()) == [True]


def test_a_scheduled_message_that_nobody_sent_in_time_expires(store, accept, clock):
    accepted = accept(**SMS, sendAt="2023-11-14T22:14:00Z", expiresAt=SOON)
    clock.pass_seconds(60)
    assert store.sweep(clock(), {}, 0) == []
    assert [e["type"] for e in shown(store, accepted.message_id)["events"]] == ["scheduled", "expired"]


def test_a_retry_that_waits_expires(store, accept, clock):
    accepted = accept(**SMS, expiresAt=SOON)
    held = claim(store, accepted, clock)[0].claim
    store.record(
        [Result(held, DeliveryState.QUEUED, "retryable", "Busy.", next_attempt_at=clock() + 50_000)], clock()
    )
    clock.pass_seconds(60)
    assert store.sweep(clock(), {}, 0) == []
    delivery = shown(store, accepted.message_id)["deliveries"][0]
    assert (delivery["status"], delivery["nextAttemptAt"]) == ("expired", None)


def test_what_its_dead_worker_had_not_begun_expires_at_once(store, accept, clock):
    accepted = accept(**SMS, expiresAt=SOON)
    claim(store, accepted, clock, seconds=10)
    clock.pass_seconds(60)
    assert store.sweep(clock(), {}, 0) == []
    assert [e["type"] for e in shown(store, accepted.message_id)["events"]][-2:] == ["queued", "expired"]


def test_what_expired_and_is_redriven_does_not_expire_again(store, accept, clock):
    accepted = accept(**SMS, expiresAt=SOON)
    clock.pass_seconds(60)
    store.sweep(clock(), {}, 0)
    assert store.redrive([accepted.message_id], "ada", clock()).moved == list(accepted.waiting)
    clock.pass_seconds(10_000)
    store.sweep(clock(), {}, 0)
    assert claim(store, accepted, clock)[0].claim.expires_at is None


@pytest.mark.parametrize(("seconds", "kept"), [(30, 1_700_000_060_000), (90, None)])
def test_what_failed_and_is_redriven_keeps_an_expiry_that_lies_ahead(store, accept, clock, seconds, kept):
    accepted = accept(**SMS, expiresAt=SOON)
    held = claim(store, accepted, clock)[0].claim
    store.record([Result(held, DeliveryState.FAILED, "permanent", "No.")], clock())
    clock.pass_seconds(seconds)
    store.redrive([accepted.message_id], "ada", clock())
    assert claim(store, accepted, clock)[0].claim.expires_at == kept


# Acceptance


def test_an_expiry_in_the_past_is_refused_and_nothing_is_stored(store, acceptor, clock):
    acceptor.accept([acceptor.draft(SMS)])
    clock.pass_seconds(60)
    for message_id, key in ((None, None), ("order-1", None), (None, "key-1")):
        draft = acceptor.draft(SMS | {"expiresAt": SOON, "id": message_id}, key)
        result = acceptor.accept([draft])[0]
        assert isinstance(result, InvalidMessage)
        assert result.fields == {"expiresAt": f"{SOON!r} lies in the past: it would never be sent"}
    assert store.page(None, 10, 1).total == 1


@pytest.mark.parametrize(("message_id", "key"), [("order-1", None), (None, "key-1")])
def test_a_repeat_is_a_repeat_also_after_its_message_expired(acceptor, clock, message_id, key):
    draft = acceptor.draft(SMS | {"expiresAt": SOON, "id": message_id}, key)
    first = acceptor.accept([draft])[0]
    clock.pass_seconds(600)
    again = acceptor.accept([draft])[0]
    assert isinstance(again, Accepted)
    assert (again.message_id, again.is_new) == (first.message_id, False)


@pytest.fixture
def hasty(store: Store, make_acceptor) -> Acceptor:
    """Its templates expire after two minutes."""
    return make_acceptor(
        store, catalogue=Catalogue([Template("plain", "default", frozenset(Part), expires_after=120)])
    )


@pytest.mark.parametrize(
    ("given", "expires_at"),
    [
        ({}, "2023-11-14T22:15:20.000Z"),
        ({"sendAt": "2023-11-15T00:00:00Z"}, "2023-11-15T00:02:00.000Z"),
        ({"sendAt": "2020-01-01T00:00:00Z"}, "2023-11-14T22:15:20.000Z"),
        ({"expiresAt": "2023-12-01T00:00:00Z"}, "2023-12-01T00:00:00.000Z"),
    ],
)
def test_a_types_expiry_is_counted_from_when_the_message_is_due_unless_it_has_its_own(
    store, hasty, given, expires_at
):
    accepted = hasty.accept([hasty.draft(SMS | given)])[0]
    assert shown(store, accepted.message_id)["deliveries"][0]["expiresAt"] == expires_at
