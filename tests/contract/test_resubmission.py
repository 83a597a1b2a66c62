"""A refused entry that is submitted again, on every store."""

import json

import pytest

from messages.errors import Conflict, InvalidMessage
from messages.queue_entries import contents
from messages.resubmission import resubmit
from messages.store import RefusedEntry
from tests.stored import BOTH

WHY = InvalidMessage("It was refused.")


@pytest.fixture
def refuse(store, clock):
    """Keep an entry of this content; gives it as it is kept."""

    def one(content, task=None):
        body = content if isinstance(content, str) else json.dumps(content)
        store.refuse([RefusedEntry(body, WHY, task and json.dumps(task))], clock())
        return store.refused(1)[0]

    return one


@pytest.mark.parametrize("message_id", [{}, {"id": "order-1"}])
def test_entry_that_is_accepted_is_forgotten_and_never_accepted_twice(
    store, acceptor, clock, refuse, message_id
):
    entry = refuse(BOTH | message_id)
    [accepted] = resubmit(acceptor, entry, clock)
    assert (store.refused(10), len(accepted.waiting)) == ([], 2)
    [again] = resubmit(acceptor, entry, clock)  # two people, or a crash before it was forgotten
    assert (again.message_id, again.is_new) == (accepted.message_id, False)
    assert store.page(None, 10, 1).total == 1


def test_entry_that_is_refused_again_stays_with_the_new_reason(store, acceptor, clock, refuse):
    entry = refuse({"text": "Hello", "externalPhoneNumber": "12", "id": "order-1"})
    with pytest.raises(InvalidMessage, match="'12' is not"):
        resubmit(acceptor, entry, clock)
    [kept] = store.find_refused("order-1")
    assert kept.id == entry.id
    assert kept.reason.startswith("externalPhoneNumber: '12' is not")
    assert set(kept.fields) == {"externalPhoneNumber"}


def test_id_that_was_used_for_other_content_since_is_the_new_reason(store, accept, acceptor, clock, refuse):
    accept(**BOTH, id="order-1")
    with pytest.raises(Conflict):
        resubmit(acceptor, refuse(BOTH | {"id": "order-1", "text": "Other"}), clock)
    assert "'order-1' was already used" in store.refused(1)[0].reason


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('"not JSON"', "cannot be read: its body is not JSON"),
        ('"{\\"body\\": \\"cut o"', "cannot be read"),
        ("5", "is a JSON object, not a number"),
        ("null", "is a JSON object, not null"),
        ('{"body": 5, "headers": {}, "properties": {}}', "There is nothing to send"),
        ('{"text": NaN, "externalEmail": "dana@example.com"}', "NaN"),
        ('{"text": "x", "externalEmail": "dana@example.com", "n": {"a": [NaN]}}', "holds NaN"),
        ('{"text": "x", "n": {"__type__": "base64", "__value__": "QQ=="}}', "holds a bytes"),
    ],
)
def test_entry_without_a_usable_message_stays(store, acceptor, clock, refuse, content, says):
    with pytest.raises(InvalidMessage, match=says):
        resubmit(acceptor, refuse(content), clock)
    assert len(store.refused(10)) == 1


@pytest.mark.parametrize(
    "content",
    [
        json.dumps([[BOTH], {}, None]),  # kept as text by an earlier version
        [BOTH],
        {"body": json.dumps([[BOTH], {}, {}]), "headers": {"task": "x", "id": "y"}, "properties": {}},
        {"body": json.dumps({"args": [BOTH], "task": "x"}), "headers": {}, "properties": {}},
    ],
)
def test_message_in_what_an_earlier_version_kept_is_found(store, acceptor, clock, refuse, content):
    resubmit(acceptor, refuse(json.dumps(content)), clock)
    assert (store.page(None, 10, 1).total, store.refused(10)) == (1, [])


def test_entry_with_an_eta_is_not_sent_before_it(store, acceptor, clock, refuse):
    clock.now = 1_700_000_000_000
    with pytest.raises(InvalidMessage, match="has the eta 2030-01-01T00:00:00, which lies ahead"):
        resubmit(acceptor, refuse(BOTH, {"eta": "2030-01-01T00:00:00"}), clock)
    assert len(resubmit(acceptor, refuse(BOTH, {"eta": "2020-01-01T00:00:00"}), clock)) == 1
    assert len(resubmit(acceptor, refuse(BOTH, {"expires": "2020-01-01T00:00:00"}), clock)) == 1


def test_list_that_was_refused_as_a_whole_is_submitted_one_by_one(store, acceptor, clock):
    body = json.dumps([[[BOTH, BOTH | {"id": "order-1"}, 5]], {}, None])
    found = contents({"body": body, "headers": {"task": "tasks.accept", "id": "t", "expires": "2001-01-01"}})
    store.refuse([RefusedEntry(json.dumps(one.message), WHY) for one in found], clock())
    for entry in store.refused(10):
        if entry.body != "5":
            resubmit(acceptor, entry, clock)
    assert (store.page(None, 10, 1).total, len(store.refused(10))) == (2, 1)
