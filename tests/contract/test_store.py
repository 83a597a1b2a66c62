"""What every store promises: the same suite runs on SQLite and on PostgreSQL."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from messages.acceptance import Acceptor
from messages.delivery import Beginning, Channel
from messages.errors import Conflict, InvalidMessage, StoreUnavailable
from messages.reconciliation import AskPolicy
from messages.states import DeliveryState
from messages.store import Accepted, Claimed, Result, Store
from messages.store.database import Database
from messages.store.schema import messages, metadata
from messages.view import show
from tests.conftest import Ticking

BOTH = {"externalPhoneNumber": "804-222-1111", "externalEmail": "dana@example.com", "text": "Hello"}
Accept = Callable[..., Accepted]


def claim(
    store: Store, accepted: Accepted, channel: Channel, clock: Ticking, lease: float = 60
) -> list[Claimed]:
    ids = [delivery_id for delivery_id, _ in accepted.waiting]
    return store.claim(ids, channel, now=clock(), lease_until=clock() + int(lease * 1000))


def shown(store: Store, message_id: str, depth: int = 0) -> dict:
    return show(store.find([message_id]), depth, store.objects)[0]


def states(store: Store, message_id: str) -> dict[str, str]:
    return {d["channel"]: d["status"] for d in shown(store, message_id)["deliveries"]}


def test_the_migrated_schema_is_the_one_the_code_expects(database_url):
    database = Database(database_url)
    with database.read() as tx:
        found = compare_metadata(MigrationContext.configure(tx), metadata)
    database.close()
    assert found == []


def test_a_new_message_has_a_delivery_for_each_channel(store, accept):
    accepted = accept(**BOTH)
    assert accepted.is_new
    assert {channel for _, channel in accepted.waiting} == {Channel.SMS, Channel.EMAIL}
    assert states(store, accepted.message_id) == {"sms": "queued", "email": "queued"}


@pytest.mark.parametrize("damaged", [{"fields": "{"}, {"fields": "[]"}, {"objects": "5"}])
def test_a_message_that_cannot_be_read_fails_and_holds_up_none_beside_it(
    store, accept, clock, caplog, damaged
):
    accepted = [accept(externalEmail=f"dana{n}@example.com", text="Hello") for n in range(5)]
    bad = accepted[3].message_id
    with store._db.write() as tx:
        tx.execute(update(messages).where(messages.c.id == bad).values(**damaged))
    ids = [delivery_id for a in accepted for delivery_id, _ in a.waiting]
    claimed = store.claim(ids, Channel.EMAIL, now=clock(), lease_until=clock() + 1000)
    assert {c.claim.message_id for c in claimed} == {a.message_id for a in accepted} - {bad}
    with store._db.write() as tx:
        tx.execute(update(messages).where(messages.c.id == bad).values(fields="{}", objects=None))
    [delivery] = shown(store, bad)["deliveries"]
    assert (delivery["status"], [a["outcome"] for a in delivery["attempts"]]) == ("failed", ["permanent"])
    assert "cannot be read" in delivery["error"]
    assert "cannot be read" in caplog.text
    assert store.claim(ids, Channel.EMAIL, now=clock(), lease_until=clock() + 1000) == []


def test_the_same_id_with_the_same_content_is_one_message(store, accept):
    first, second = accept(id="order-1", **BOTH), accept(id="order-1", **BOTH)
    assert first.is_new
    assert not second.is_new
    assert second.waiting == ()
    assert store.page(None, 10, 1).total == 1


def test_the_same_id_with_other_content_is_a_conflict_and_changes_nothing(store, acceptor, accept):
    accept(id="order-1", **BOTH)
    result = acceptor.accept([acceptor.draft({"id": "order-1", **BOTH, "text": "Other"})])[0]
    assert isinstance(result, Conflict)
    assert shown(store, "order-1")["text"] == "Hello"


def test_an_idempotency_key_makes_repeats_one_message(acceptor):
    first, second = (acceptor.accept([acceptor.draft(BOTH, "key-1")])[0] for _ in range(2))
    other = acceptor.accept([acceptor.draft({**BOTH, "text": "Other"}, "key-1")])[0]
    assert first.message_id == second.message_id
    assert isinstance(other, Conflict)


def test_repeats_within_one_group_are_one_message(acceptor, store):
    drafts = [acceptor.draft({"id": "order-1", **BOTH}), acceptor.draft({"id": "order-1", **BOTH})]
    first, second = acceptor.accept(drafts)
    assert (first.is_new, second.is_new) == (True, False)
    assert len(shown(store, "order-1")["deliveries"]) == 2


def test_ten_thousand_concurrent_repeats_make_one_message(acceptor, store):
    draft = acceptor.draft({"id": "order-1", **BOTH})
    with ThreadPoolExecutor(8) as threads:
        groups = list(threads.map(lambda _: acceptor.accept([draft] * 100), range(100)))
    results = [result for group in groups for result in group]
    assert len(results) == 10_000
    assert sum(result.is_new for result in results) == 1
    assert {result.message_id for result in results} == {"order-1"}
    assert store.page(None, 10, 1).total == 1
    assert len(shown(store, "order-1")["deliveries"]) == 2


def test_one_message_that_cannot_be_sent_does_not_hold_up_the_others_of_its_group(acceptor):
    nobody = acceptor.draft({"text": "Hello", "lead": "nobody-knows"})
    good = acceptor.draft(BOTH)
    refused, accepted = acceptor.accept([nobody, good])
    assert isinstance(refused, InvalidMessage)
    assert isinstance(accepted, Accepted)


def test_a_delivery_is_claimed_once_however_many_try(store, accept, clock):
    accepted = [accept(**BOTH) for _ in range(20)]
    ids = [delivery_id for a in accepted for delivery_id, lane in a.waiting if lane.channel is Channel.SMS]
    with ThreadPoolExecutor(8) as threads:
        claims = threads.map(
            lambda _: store.claim(ids, Channel.SMS, now=clock(), lease_until=clock() + 1000), range(16)
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
    assert claimed.template == "plain/default"
    assert claimed.fields["vehicle"] == {"year": 2024}
    assert claimed.related["lead"]["firstName"] == "Dana"
    assert claimed.related["lead"]["salesRep"]["name"] == "Sam"
    assert [(a.url, a.filename) for a in claimed.attachments] == [
        ("https://example.com/a.pdf", None),
        (None, "a.txt"),
    ]
    assert store.attachment_content(claimed.attachments[1].id) == b"Hello"


def test_what_was_given_with_the_message_wins_over_what_the_store_learnt_since(store, accept, clock):
    first = accept(**BOTH, lead={"id": "lead-1", "firstName": "Dana"})
    accept(**BOTH, lead={"id": "lead-1", "firstName": "Daniela", "city": "Reno"})
    claimed = claim(store, first, Channel.SMS, clock)[0]
    assert claimed.related["lead"] == {"id": "lead-1", "firstName": "Dana", "city": "Reno"}


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


def test_what_was_claimed_but_not_begun_is_queued_again_when_its_worker_died(store, accept, clock):
    accepted = accept(externalPhoneNumber="804-222-1111", text="Hello")
    claim(store, accepted, Channel.SMS, clock, lease=60)
    clock.pass_seconds(61)
    assert store.sweep(clock(), {}, 0) == list(accepted.waiting)
    delivery = shown(store, accepted.message_id)["deliveries"][0]
    assert (delivery["status"], delivery["attempts"][0]["outcome"]) == ("queued", "retryable")


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


def test_an_sms_whose_worker_died_becomes_unknown_and_is_not_sent_again(store, accept, clock):
    accepted = accept(externalPhoneNumber="804-222-1111", text="Hello")
    claimed = claim(store, accepted, Channel.SMS, clock, lease=60)[0]
    store.begin([Beginning(claimed.claim)], clock())
    clock.pass_seconds(61)
    assert store.sweep(clock(), {Channel.SMS: clock()}, 0) == []
    message = shown(store, accepted.message_id)
    assert message["status"] == "unknown"
    assert message["deliveries"][0]["attempts"][0]["outcome"] == "ambiguous"
    assert claim(store, accepted, Channel.SMS, clock) == []


def test_an_email_whose_worker_died_is_sent_again_and_marked(store, accept, clock):
    accepted = accept(externalEmail="dana@example.com", text="Hello")
    claimed = claim(store, accepted, Channel.EMAIL, clock, lease=60)[0]
    store.begin([Beginning(claimed.claim)], clock())
    clock.pass_seconds(61)
    assert store.sweep(clock(), {}, 0) == list(accepted.waiting)
    claim(store, accepted, Channel.EMAIL, clock)
    attempts = shown(store, accepted.message_id)["deliveries"][0]["attempts"]
    assert [a.get("possibleDuplicate") for a in attempts] == [None, True]


def test_an_email_that_may_have_arrived_three_times_is_not_sent_again(store, accept, clock):
    accepted = accept(externalEmail="dana@example.com", text="Hello")
    for _ in range(3):
        assert states(store, accepted.message_id) == {"email": "queued"}
        store.begin([Beginning(claim(store, accepted, Channel.EMAIL, clock, lease=60)[0].claim)], clock())
        clock.pass_seconds(61)
        store.sweep(clock(), {}, 0)
    assert states(store, accepted.message_id) == {"email": "unknown"}


def test_a_queue_entry_that_was_lost_is_rung_again_but_a_backlog_is_not(store, accept, clock):
    accepted = accept(externalPhoneNumber="804-222-1111", text="Hello")
    clock.pass_seconds(10)
    assert store.sweep(clock(), {}, 0) == []
    assert store.sweep(clock(), {Channel.EMAIL: clock()}, 0) == []
    assert store.sweep(clock(), {Channel.SMS: clock()}, 0) == list(accepted.waiting)
    assert store.sweep(clock(), {Channel.SMS: clock()}, 0) == []


def test_a_scheduled_message_waits_for_its_time(store, accept, clock):
    accepted = accept(externalPhoneNumber="804-222-1111", text="Hello", sendAt="2023-11-15T00:00:00Z")
    assert accepted.waiting == ()
    assert shown(store, accepted.message_id)["status"] == "scheduled"
    assert store.sweep(clock(), {}, 0) == []
    clock.pass_seconds(2 * 3600)
    assert len(store.sweep(clock(), {}, 0)) == 1
    assert shown(store, accepted.message_id)["status"] == "queued"


def test_the_status_of_a_message_is_right_when_its_channels_are_recorded_at_once(store, accept, clock):
    messages = [accept(**BOTH) for _ in range(15)]
    claimed = [c for a in messages for ch in Channel for c in claim(store, a, ch, clock)]

    def record(c: Claimed) -> None:
        store.record([Result(c.claim, DeliveryState.SENT, "sent")], clock())

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(record, claimed))
    assert {shown(store, a.message_id)["status"] for a in messages} == {"sent"}


def test_lists_are_newest_first_and_filter_by_status(store, accept, clock):
    accepted = []
    for _ in range(5):
        accepted.append(accept(externalPhoneNumber="804-222-1111", text="Hello"))
        clock.pass_seconds(1)
    claimed = claim(store, accepted[1], Channel.SMS, clock)[0]
    store.record([Result(claimed.claim, DeliveryState.SENT, "sent")], clock())
    newest_first = [a.message_id for a in reversed(accepted)]
    assert [s.message.id for s in store.page(None, 3, 1).items] == newest_first[:3]
    assert [s.message.id for s in store.page(None, 3, 2).items] == newest_first[3:]
    sent = store.page(DeliveryState.SENT, 10, 1)
    assert ([s.message.id for s in sent.items], sent.total) == ([accepted[1].message_id], 1)


def test_depth_expands_related_objects_level_by_level(store, accept):
    lead = {"id": "lead-1", "firstName": "Dana", "salesRep": {"id": "rep-1", "name": "Sam"}}
    message_id = accept(**BOTH, lead=lead, agent="agent-nobody-knows").message_id
    assert shown(store, message_id, 0)["lead"] == "lead-1"
    assert shown(store, message_id, 1)["lead"] == {"id": "lead-1", "firstName": "Dana", "salesRep": "rep-1"}
    assert shown(store, message_id, 2)["lead"]["salesRep"] == {"id": "rep-1", "name": "Sam"}
    assert shown(store, message_id, 2)["agent"] == "agent-nobody-knows"


def test_an_object_given_again_keeps_the_fields_that_are_not_given(store, accept):
    accept(**BOTH, lead={"id": "lead-1", "firstName": "Dana", "city": "Reno"})
    accept(**BOTH, lead={"id": "lead-1", "city": "Sparks"})
    found = store.objects([("leads", "lead-1")])
    assert found["leads", "lead-1"] == {"id": "lead-1", "firstName": "Dana", "city": "Sparks"}


def test_an_attachment_given_before_goes_along_by_its_id(store, accept, clock):
    accept(**BOTH, attachments=[{"id": "brochure", "filename": "b.txt", "content": "SGVsbG8="}])
    again = accept(**BOTH, attachments=["brochure"])
    given = claim(store, again, Channel.EMAIL, clock)[0].attachments[0]
    assert store.attachment_content(given.id) == b"Hello"
    assert store.attachment_content("nobody-knows") is None


def test_an_attachments_content_is_never_shown(store, accept):
    message_id = accept(**BOTH, attachments=["data:text/plain;name=a.txt;base64,SGVsbG8="]).message_id
    assert "SGVsbG8" not in str(shown(store, message_id, 0))
    assert shown(store, message_id, 1)["attachments"][0]["filename"] == "a.txt"
    assert shown(store, message_id, 1)["attachments"][0]["size"] == 5
    assert "SGVsbG8" not in str(shown(store, message_id, 1))


@pytest.mark.parametrize(
    ("attachment", "reason"),
    [
        ("nobody-knows", "no attachment given before"),
        ({"id": "brochure", "content": "QQ=="}, "other content"),
    ],
)
def test_an_attachment_id_means_one_known_content(acceptor, accept, attachment, reason):
    accept(**BOTH, attachments=[{"id": "brochure", "filename": "b.txt", "content": "SGVsbG8="}])
    result = acceptor.accept([acceptor.draft({**BOTH, "attachments": [attachment]})])[0]
    assert isinstance(result, InvalidMessage)
    assert reason in result.fields["attachments[0]"]


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


def claim_as(store, worker, accepted, clock):
    ids = [i for i, _ in accepted.waiting]
    lease = clock() + 120_000
    return store.claim(ids, Channel.EMAIL, now=clock(), lease_until=lease, worker=worker)[0].claim


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


def test_a_retry_that_is_due_at_once_is_rung_all_the_same(store, accept, clock):
    accepted = accept(externalPhoneNumber="804-222-1111", text="Hello")
    claimed = claim(store, accepted, Channel.SMS, clock)[0]
    result = Result(claimed.claim, DeliveryState.QUEUED, "retryable", next_attempt_at=clock())
    store.record([result], clock())
    assert store.sweep(clock(), {}, 0) == list(accepted.waiting)


def test_what_was_rung_before_all_that_is_queued_is_rung_again_and_no_backlog_is(store, accept, clock):
    lost = accept(externalPhoneNumber="804-222-1111", text="Hello")
    clock.pass_seconds(16 * 60)
    accept(externalPhoneNumber="804-222-1111", text="Hello")
    assert store.sweep(clock(), {}, 0) == []
    assert store.sweep(clock(), {Channel.EMAIL: clock()}, 0) == []
    assert store.sweep(clock(), {Channel.SMS: clock()}, 0) == list(lost.waiting)
    assert store.sweep(clock(), {Channel.SMS: clock()}, 0) == []


def test_a_certain_outcome_that_comes_late_settles_what_had_become_unknown(store, accept, clock):
    accepted = accept(externalPhoneNumber="804-222-1111", text="Hello")
    claimed = claim(store, accepted, Channel.SMS, clock, lease=60)[0].claim
    store.begin([Beginning(claimed)], clock())
    clock.pass_seconds(61)
    store.sweep(clock(), {}, 0)
    assert states(store, accepted.message_id) == {"sms": "unknown"}
    assert store.record([Result(claimed, DeliveryState.SENT, "sent", provider_id="SM1")], clock()) == [True]
    assert states(store, accepted.message_id) == {"sms": "sent"}


def test_a_key_and_an_id_that_name_two_messages_are_a_conflict(acceptor):
    for fields, key in (({"id": "order-1", **BOTH}, "key-1"), ({"id": "order-2", **BOTH}, "key-2")):
        acceptor.accept([acceptor.draft(fields, key)])
    mixed = acceptor.accept([acceptor.draft({"id": "order-2", **BOTH}, "key-1")])[0]
    unknown_id = acceptor.accept([acceptor.draft({"id": "order-3", **BOTH}, "key-1")])[0]
    assert isinstance(mixed, Conflict)
    assert isinstance(unknown_id, Conflict)


def test_the_same_ids_in_opposite_orders_at_once_deadlock_nobody(acceptor, store):
    drafts = [acceptor.draft({"id": f"order-{n}", **BOTH}) for n in range(300)]
    with ThreadPoolExecutor(4) as threads:
        orders = [drafts, drafts[::-1]] * 4
        results = [r for group in threads.map(acceptor.accept, orders) for r in group]
    assert sum(r.is_new for r in results) == 300
    assert store.page(None, 1, 1).total == 300


def test_no_field_of_an_object_that_several_give_at_once_is_lost(acceptor, store):
    def give(number: int) -> None:
        lead = {"id": "lead-1", f"field{number}": number}
        acceptor.accept([acceptor.draft({**BOTH, "lead": lead})])

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(give, range(60)))
    assert len(store.objects([("leads", "lead-1")])["leads", "lead-1"]) == 61


def test_objects_that_hold_each_other_are_expanded_without_end_nowhere(store, accept, clock):
    names = {"agent": "a", "lead": "l", "salesRep": "s", "template": "plain/default"}
    crosswise = {
        name: {"id": key, **{other: k for other, k in names.items() if other != "template"}}
        for name, key in names.items()
        if name != "template"
    }
    accepted = accept(**BOTH, **crosswise)
    message = shown(store, accepted.message_id, depth=10)
    assert len(str(message)) < 10_000
    assert message["lead"]["agent"]["lead"] == "l"
    assert claim(store, accepted, Channel.SMS, clock)[0].related["lead"]["id"] == "l"


def test_refused_entries_are_kept_with_their_reason(store, clock):
    store.refuse([('{"text":5}', InvalidMessage("text: wrong", {"text": "wrong"}))], clock())
    kept = store.refused(10)[0]
    assert (kept.reason, kept.fields, kept.body) == ("text: wrong", {"text": "wrong"}, '{"text":5}')


def test_all_processes_share_one_signing_key(store, database_url):
    other = Store(database_url)
    assert store.signing_key() == other.signing_key()
    assert len(store.signing_key()) == 32
    other.close()


@pytest.mark.parametrize(
    "url", ["postgresql+psycopg://u:secret@127.0.0.1:1/x", "sqlite:////nonexistent/folder/x.db"]
)
def test_a_store_that_cannot_be_reached_says_so_without_its_password(url):
    store = Store(url)
    with pytest.raises(StoreUnavailable) as raised:
        store.ping()
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)
    store.close()


@given(text=st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
def test_any_text_comes_back_as_it_was_given(acceptor: Acceptor, store: Store, text: str):
    result = acceptor.accept([acceptor.draft({**BOTH, "text": text})])[0]
    assert isinstance(result, Accepted)
    assert shown(store, result.message_id)["text"] == text


def test_a_draft_that_is_stored_twice_is_one_message(store, acceptor):
    """After an error behind the commit, a group is stored again, one by one."""
    draft = acceptor.draft({"externalPhoneNumber": "804-222-1111", "text": "Hello"})
    first, second = [acceptor.accept([draft])[0] for _ in range(2)]
    assert (first.is_new, second.is_new) == (True, False)
    assert first.message_id == second.message_id
    assert store.page(None, 10, 1).total == 1


@pytest.mark.parametrize(
    "fields", [{"externalPhoneNumber": "804-222-1111"}, {"externalEmail": "a@b.example"}]
)
def test_what_was_sent_is_sent_also_where_it_waits_to_be_sent_again(store, accept, clock, fields):
    accepted = accept(text="Hello", **fields)
    [(delivery_id, channel)] = accepted.waiting
    claim = store.claim([delivery_id], channel, now=clock(), lease_until=clock() + 1000)[0].claim
    lost = Result(claim, DeliveryState.QUEUED, "ambiguous", error="Lost.", next_attempt_at=clock() + 60_000)
    assert store.record([lost], clock()) == [True]
    assert store.record([Result(claim, DeliveryState.SENT, "sent", provider_id="SM1")], clock()) == [True]
    shown = show(store.find([accepted.message_id]), 0, store.objects)[0]["deliveries"][0]
    assert (shown["status"], shown["nextAttemptAt"]) == ("sent", None)
    clock.pass_seconds(3600)
    assert store.claim([delivery_id], channel, now=clock(), lease_until=clock() + 1000) == []


def test_after_a_crash_an_sms_is_asked_about_once_its_provider_has_had_the_time_to_list_it(
    store, accept, clock
):
    accepted = accept(externalPhoneNumber="804-222-1111", text="Hello")
    ids = [delivery_id for delivery_id, _ in accepted.waiting]
    claim = store.claim(ids, Channel.SMS, now=clock(), lease_until=clock() + 120_000)[0].claim
    store.begin([Beginning(claim)], clock())
    policy = AskPolicy(settle_ms=60_000, max_age_ms=86_400_000, max_pause_ms=3_600_000)
    clock.pass_seconds(121)  # it may have been written until the lease ran out
    store.sweep(clock(), {}, 0, ask_after=policy.settle_ms)
    assert store.take_unknown(clock(), policy, 10) == []
    clock.pass_seconds(60)
    assert [asked.delivery_id for asked in store.take_unknown(clock(), policy, 10)] == ids
