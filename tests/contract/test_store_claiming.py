"""What every store promises of an attempt: claimed once, begun and recorded only by whoever holds it."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import update

from messages.delivery import Beginning, Channel, Lease
from messages.states import DeliveryState
from messages.store import Claimed, Result
from messages.store.schema import messages
from messages.view import show
from tests.stored import BOTH, claim, shown, states

# Claiming


def test_a_delivery_is_claimed_once_however_many_try(store, accept, clock):
    accepted = [accept(**BOTH) for _ in range(20)]
    ids = [delivery_id for a in accepted for delivery_id, lane in a.waiting if lane.channel is Channel.SMS]
    with ThreadPoolExecutor(8) as threads:
        claims = threads.map(
            lambda _: store.claim(ids, Channel.SMS, Lease(clock(), clock() + 1000)), range(16)
        )
    claimed = [c.claim.delivery_id for group in claims for c in group]
    assert sorted(claimed) == sorted(ids)


def test_a_claim_takes_only_its_channel(store, accept, clock):
    accepted = accept(**BOTH)
    assert [c.claim.route.channel for c in claim(store, accepted, Channel.SMS, clock)] == [Channel.SMS]
    assert states(store, accepted.message_id) == {"sms": "sending", "email": "queued"}


def test_a_claim_carries_everything_needed_to_send(store, accept, clock):
    lead = {"id": "lead-1", "firstName": "Dana", "salesRep": {"id": "rep-1", "name": "Sam"}}
    attachments = ["https://example.com/a.pdf", {"filename": "a.txt", "content": "SGVsbG8="}]
    accepted = accept(**BOTH, lead=lead, attachments=attachments, vehicle={"year": 2024})
    claimed = claim(store, accepted, Channel.EMAIL, clock)[0]
    assert claimed.claim.attempt == 1
    assert claimed.claim.route.recipient == "dana@example.com"
    assert claimed.content.template == "plain/default"
    assert claimed.content.fields["vehicle"] == {"year": 2024}
    assert claimed.content.related["lead"]["firstName"] == "Dana"
    assert claimed.content.related["lead"]["salesRep"]["name"] == "Sam"
    assert [(a.url, a.filename) for a in claimed.content.attachments] == [
        ("https://example.com/a.pdf", None),
        (None, "a.txt"),
    ]
    assert store.attachment_content(claimed.content.attachments[1].id) == b"Hello"


def test_what_was_given_with_the_message_wins_over_what_the_store_learnt_since(store, accept, clock):
    first = accept(**BOTH, lead={"id": "lead-1", "firstName": "Dana"})
    accept(**BOTH, lead={"id": "lead-1", "firstName": "Daniela", "city": "Reno"})
    claimed = claim(store, first, Channel.SMS, clock)[0]
    assert claimed.content.related["lead"] == {"id": "lead-1", "firstName": "Dana", "city": "Reno"}


def test_an_attachment_given_before_goes_along_by_its_id(store, accept, clock):
    accept(**BOTH, attachments=[{"id": "brochure", "filename": "b.txt", "content": "SGVsbG8="}])
    again = accept(**BOTH, attachments=["brochure"])
    given = claim(store, again, Channel.EMAIL, clock)[0].content.attachments[0]
    assert store.attachment_content(given.id) == b"Hello"
    assert store.attachment_content("nobody-knows") is None


@pytest.mark.parametrize("damaged", [{"fields": "{"}, {"fields": "[]"}, {"objects": "5"}])
def test_a_message_that_cannot_be_read_fails_and_holds_up_none_beside_it(
    store, accept, clock, caplog, damaged
):
    accepted = [accept(externalEmail=f"dana{n}@example.com", text="Hello") for n in range(5)]
    bad = accepted[3].message_id
    with store._db.write() as tx:
        tx.execute(update(messages).where(messages.c.id == bad).values(**damaged))
    ids = [delivery_id for a in accepted for delivery_id, _ in a.waiting]
    claimed = store.claim(ids, Channel.EMAIL, Lease(clock(), clock() + 1000))
    assert {c.claim.message_id for c in claimed} == {a.message_id for a in accepted} - {bad}
    with store._db.write() as tx:
        tx.execute(update(messages).where(messages.c.id == bad).values(fields="{}", objects=None))
    [delivery] = shown(store, bad)["deliveries"]
    assert (delivery["status"], [a["outcome"] for a in delivery["attempts"]]) == ("failed", ["permanent"])
    assert "cannot be read" in delivery["error"]
    assert "cannot be read" in caplog.text
    assert store.claim(ids, Channel.EMAIL, Lease(clock(), clock() + 1000)) == []


def test_while_a_provider_is_left_alone_a_longer_wait_stays_as_it_is(store, accept, clock):
    accepted = accept(externalPhoneNumber="804-222-1111", text="Hello")
    ids = [delivery_id for delivery_id, _ in accepted.waiting]
    claimed = claim(store, accepted, Channel.SMS, clock)[0].claim
    hour = clock() + 3_600_000
    store.record([Result(claimed, DeliveryState.QUEUED, "retryable", next_attempt_at=hour)], clock())
    store.postpone(ids, clock() + 5000)
    clock.pass_seconds(10)
    assert claim(store, accepted, Channel.SMS, clock) == []
    store.postpone(ids, hour + 60_000)
    clock.pass_seconds(3600)
    assert claim(store, accepted, Channel.SMS, clock) == []


# Beginning and recording


def test_only_whoever_holds_a_delivery_may_begin_it(store, accept, clock):
    accepted = accept(externalPhoneNumber="804-222-1111", text="Hello")
    stale = claim(store, accepted, Channel.SMS, clock, lease=60)[0].claim
    assert store.begin([Beginning(stale)], clock()) == [True]
    clock.pass_seconds(61)
    assert store.begin([Beginning(stale)], clock()) == [False]
    other = accept(externalPhoneNumber="804-222-1111", text="Hello")
    first = claim(store, other, Channel.SMS, clock, lease=60)[0].claim
    clock.pass_seconds(61)
    store.sweep(clock(), {}, 0)
    second = claim(store, other, Channel.SMS, clock)[0].claim
    assert store.begin([Beginning(first), Beginning(second)], clock()) == [False, True]


def test_a_result_is_recorded_on_delivery_attempt_and_message(store, accept, clock):
    accepted = accept(**BOTH)
    for channel in Channel:
        claimed = claim(store, accepted, channel, clock)[0]
        clock.pass_seconds(1)
        result = Result(claimed.claim, DeliveryState.SENT, "sent", provider_id="SM1", segments=1)
        assert store.record([result], clock()) == [True]
    message = shown(store, accepted.message_id)
    assert message["status"] == "sent"
    assert message["sentAt"] == "2023-11-14T22:13:22.000Z"
    assert message["deliveries"][0]["providerId"] == "SM1"
    assert [a["outcome"] for d in message["deliveries"] for a in d["attempts"]] == ["sent", "sent"]
    assert [e["type"] for e in message["events"]] == [
        "queued",
        "queued",
        "sending",
        "sent",
        "sending",
        "sent",
    ]


def test_a_worker_that_lost_its_claim_records_nothing(store, accept, clock):
    accepted = accept(externalEmail="dana@example.com", text="Hello")
    stale = claim(store, accepted, Channel.EMAIL, clock, lease=60)[0]
    clock.pass_seconds(61)
    store.sweep(clock(), {}, 0)
    fresh = claim(store, accepted, Channel.EMAIL, clock)[0]
    assert (stale.claim.attempt, fresh.claim.attempt) == (1, 2)
    assert store.record([Result(stale.claim, DeliveryState.FAILED, "permanent")], clock()) == [False]
    assert states(store, accepted.message_id) == {"email": "sending"}
    assert store.record([Result(fresh.claim, DeliveryState.SENT, "sent")], clock()) == [True]
    assert store.record([Result(fresh.claim, DeliveryState.SENT, "sent")], clock()) == [False]


def test_a_certain_outcome_that_comes_late_settles_what_had_become_unknown(store, accept, clock):
    accepted = accept(externalPhoneNumber="804-222-1111", text="Hello")
    claimed = claim(store, accepted, Channel.SMS, clock, lease=60)[0].claim
    store.begin([Beginning(claimed)], clock())
    clock.pass_seconds(61)
    store.sweep(clock(), {}, 0)
    assert states(store, accepted.message_id) == {"sms": "unknown"}
    assert store.record([Result(claimed, DeliveryState.SENT, "sent", provider_id="SM1")], clock()) == [True]
    assert states(store, accepted.message_id) == {"sms": "sent"}


@pytest.mark.parametrize(
    "fields", [{"externalPhoneNumber": "804-222-1111"}, {"externalEmail": "a@b.example"}]
)
def test_what_was_sent_is_sent_also_where_it_waits_to_be_sent_again(store, accept, clock, fields):
    accepted = accept(text="Hello", **fields)
    [(delivery_id, channel)] = accepted.waiting
    claim = store.claim([delivery_id], channel, Lease(clock(), clock() + 1000))[0].claim
    lost = Result(claim, DeliveryState.QUEUED, "ambiguous", error="Lost.", next_attempt_at=clock() + 60_000)
    assert store.record([lost], clock()) == [True]
    assert store.record([Result(claim, DeliveryState.SENT, "sent", provider_id="SM1")], clock()) == [True]
    shown = show(store.find([accepted.message_id]), 0, store.objects)[0]["deliveries"][0]
    assert (shown["status"], shown["nextAttemptAt"]) == ("sent", None)
    clock.pass_seconds(3600)
    assert store.claim([delivery_id], channel, Lease(clock(), clock() + 1000)) == []


def test_the_status_of_a_message_is_right_when_its_channels_are_recorded_at_once(store, accept, clock):
    messages = [accept(**BOTH) for _ in range(15)]
    claimed = [c for a in messages for ch in Channel for c in claim(store, a, ch, clock)]

    def record(c: Claimed) -> None:
        store.record([Result(c.claim, DeliveryState.SENT, "sent")], clock())

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(record, claimed))
    assert {shown(store, a.message_id)["status"] for a in messages} == {"sent"}
