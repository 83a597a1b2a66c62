"""What every store promises of accepting: a Message once, whoever repeats it, and only what can be sent."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest
from sqlalchemy import create_engine, text

from messages.delivery import Channel
from messages.errors import Conflict, InvalidMessage
from messages.field_limits import FieldLimits
from messages.store import Accepted, RefusedEntry
from tests.stored import BOTH, shown, states


def test_a_new_message_has_a_delivery_for_each_channel(store, accept):
    accepted = accept(**BOTH)
    assert accepted.is_new
    assert {channel for _, channel in accepted.waiting} == {Channel.SMS, Channel.EMAIL}
    assert states(store, accepted.message_id) == {"sms": "queued", "email": "queued"}


def test_what_was_accepted_is_there_to_the_letter(store, accept):
    every = "".join(map(chr, [*range(1, 0x180), 0x2028, 0xFEFF, 0xFFFF, 0x1F697]))
    given = {"text": every, every: [1.5, 2**63, -(2**63), True, None, {"": "NULL"}], "note": "null"}
    message_id = accept(**BOTH | given).message_id
    assert {name: shown(store, message_id)[name] for name in given} == given


def test_one_message_that_cannot_be_sent_does_not_hold_up_the_others_of_its_group(acceptor):
    nobody = acceptor.draft({"text": "Hello", "lead": "nobody-knows"})
    good = acceptor.draft(BOTH)
    refused, accepted = acceptor.accept([nobody, good])
    assert isinstance(refused, InvalidMessage)
    assert isinstance(accepted, Accepted)


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


def test_refused_entries_are_kept_with_their_reason(store, clock):
    store.refuse([RefusedEntry('{"text":5}', InvalidMessage("text: wrong", {"text": "wrong"}))], clock())
    kept = store.refused(10)[0]
    assert (kept.reason, kept.fields, kept.body) == ("text: wrong", {"text": "wrong"}, '{"text":5}')


# Repeats


@pytest.mark.parametrize("key", [None, "key-1"])
def test_message_stored_with_the_first_fingerprint_is_repeated(store, acceptor, database_url, key):
    fields = {**BOTH, "sendAt": "2090-01-01T00:00:00Z", "price": 1.0, "vehicle": {"trim": None}}
    given = fields if key else {"id": "order-1", **fields}
    [first] = acceptor.accept([acceptor.draft(given, key)])
    normalised = {**fields, "externalPhoneNumber": "+18042221111"}
    written = orjson.dumps(normalised, option=orjson.OPT_SORT_KEYS)
    engine = create_engine(database_url)
    with engine.begin() as connection:
        old = {"fingerprint": hashlib.sha256(written).hexdigest()}
        assert connection.execute(text("UPDATE messages SET fingerprint = :fingerprint"), old).rowcount == 1
    engine.dispose()
    [again] = acceptor.accept([acceptor.draft(given, key)])
    [other] = acceptor.accept([acceptor.draft({**given, "text": "Other"}, key)])
    assert (again.is_new, again.message_id) == (False, first.message_id)
    assert isinstance(other, Conflict)


def test_repeat_of_a_message_is_accepted_whatever_has_changed_since(store, acceptor, accept):
    lead = {"id": "lead-1", "email": "dana@example.com"}
    accept(id="order-1", text="Hello", lead=lead)
    accept(id="order-2", text="Hello", lead=lead | {"email": "nobody"}, externalEmail="ada@example.com")
    assert accept(id="order-1", text="Hello", lead=lead).is_new is False
    by_id = acceptor.accept([acceptor.draft({"id": "order-3", "text": "Hello", "lead": "lead-1"})])[0]
    assert isinstance(by_id, InvalidMessage)


@pytest.mark.parametrize("key", [None, "key-1"])
def test_message_above_a_limit_set_later_is_repeated_and_not_stored_anew(store, make_acceptor, key):
    given = {**BOTH, "text": "x" * 300, "lead": {"id": "lead-1", "note": "n" * 300}}
    given |= {} if key else {"id": "order-1"}
    before = make_acceptor(store)
    [first] = before.accept([before.draft(given, key)])
    after = make_acceptor(store, field_limits=FieldLimits(text_bytes=200, object_bytes=200))
    [again] = after.accept([after.draft(given, key)])
    [other] = after.accept([after.draft(given | {"text": "y" * 300}, key)])
    [new] = after.accept([after.draft(given | {"id": "order-2"}, None)])
    assert (again.is_new, again.message_id) == (False, first.message_id)
    assert isinstance(other, Conflict)
    assert "MAX_TEXT_BYTES" in new.fields["text"]
    assert store.page(None, 10, 1).total == 1


def test_related_object_never_grows_beyond_its_limit(store, make_acceptor):
    acceptor = make_acceptor(store, field_limits=FieldLimits(object_bytes=500))
    drafts = [
        acceptor.draft({"id": f"order-{n}", **BOTH, "lead": {"id": "lead-1", f"note{n}": "n" * 300}})
        for n in range(3)
    ]
    first, refused = acceptor.accept(drafts[:1]) + acceptor.accept(drafts[1:2])
    assert first.is_new
    assert refused.fields == {
        "lead": "would have 637 bytes when merged with the stored 'lead-1'; "
        "at most 500 are allowed (MAX_OBJECT_BYTES)"
    }
    assert acceptor.accept(drafts[:1])[0].is_new is False
    new = [
        acceptor.draft({"id": f"new-{n}", **BOTH, "lead": {"id": "lead-2", f"note{n}": "n" * 300}})
        for n in range(3)
    ]
    assert [result.is_new for result in acceptor.accept(new)] == [True] * 3
    assert set(store.objects([("leads", "lead-2")])["leads", "lead-2"]) == {"id", "note0"}


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


def test_a_key_and_an_id_that_name_two_messages_are_a_conflict(acceptor):
    for fields, key in (({"id": "order-1", **BOTH}, "key-1"), ({"id": "order-2", **BOTH}, "key-2")):
        acceptor.accept([acceptor.draft(fields, key)])
    mixed = acceptor.accept([acceptor.draft({"id": "order-2", **BOTH}, "key-1")])[0]
    unknown_id = acceptor.accept([acceptor.draft({"id": "order-3", **BOTH}, "key-1")])[0]
    assert isinstance(mixed, Conflict)
    assert isinstance(unknown_id, Conflict)


def test_repeats_within_one_group_are_one_message(acceptor, store):
    drafts = [acceptor.draft({"id": "order-1", **BOTH}), acceptor.draft({"id": "order-1", **BOTH})]
    first, second = acceptor.accept(drafts)
    assert (first.is_new, second.is_new) == (True, False)
    assert len(shown(store, "order-1")["deliveries"]) == 2


def test_of_one_id_within_a_group_that_one_is_stored_whose_key_is_free_with_its_own_deliveries(
    acceptor, store
):
    acceptor.accept([acceptor.draft({"id": "order-1", **BOTH}, "taken")])
    email = {"externalEmail": "ada@example.com", "text": "By e-mail only"}
    refused = acceptor.draft({"id": "order-2", **BOTH}, "taken")
    free = acceptor.draft({"id": "order-2", **email})
    other = acceptor.draft({"id": "order-2", **BOTH})
    first, second, third, fourth = acceptor.accept([refused, free, other, free])
    assert (second.is_new, fourth.is_new, fourth.message_id) == (True, False, "order-2")
    assert isinstance(first, Conflict)
    assert isinstance(third, Conflict)
    [delivery] = shown(store, "order-2")["deliveries"]
    assert (delivery["channel"], [waiting[0] for waiting in second.waiting]) == ("email", [delivery["id"]])


def test_a_draft_that_is_stored_twice_is_one_message(store, acceptor):
    """After an error behind the commit, a group is stored again, one by one."""
    draft = acceptor.draft({"externalPhoneNumber": "804-222-1111", "text": "Hello"})
    first, second = [acceptor.accept([draft])[0] for _ in range(2)]
    assert (first.is_new, second.is_new) == (True, False)
    assert first.message_id == second.message_id
    assert store.page(None, 10, 1).total == 1


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


def test_the_same_ids_in_opposite_orders_at_once_deadlock_nobody(acceptor, store):
    drafts = [acceptor.draft({"id": f"order-{n}", **BOTH}) for n in range(300)]
    with ThreadPoolExecutor(4) as threads:
        orders = [drafts, drafts[::-1]] * 4
        results = [r for group in threads.map(acceptor.accept, orders) for r in group]
    assert sum(r.is_new for r in results) == 300
    assert store.page(None, 1, 1).total == 300
