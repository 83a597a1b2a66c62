"""The queue entrance with real parts: what is accepted from it, and what is kept as refused."""

import json
from dataclasses import replace
from typing import Any

import orjson
import pytest

from messages.delivery import Channel
from tasks.accept import accept
from tests.stored import BOTH


def test_a_message_or_a_list_of_them_is_accepted_and_enqueued(parts):
    accept(parts, [BOTH], "task-1")
    accept(parts, [[BOTH, {**BOTH, "id": "order-1"}]], "task-2")
    assert parts.store.page(None, 10, 1).total == 3
    assert parts.doorbell.waiting(Channel.SMS) == 2


def test_a_task_that_comes_twice_accepts_once(parts):
    for _ in range(3):
        accept(parts, [[BOTH, BOTH]], "task-1")
    assert parts.store.page(None, 10, 1).total == 2


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        [None],
        [5],
        ["text"],
        [[5]],
        [{"text": 5}],
        [BOTH | {"text": "a\ud800"}],
        [BOTH | {"text": "a\0"}],
        [BOTH | {"n": 2**80}],
        [BOTH | {"templateType": "no-such"}],
        [{"text": "Hello"}],
    ],
)
def test_what_is_no_message_is_kept_as_refused_with_its_reason(parts, arguments):
    accept(parts, arguments, "task-1")
    assert parts.store.page(None, 10, 1).total == 0
    assert [bool(r.reason and r.body) for r in parts.store.refused(10)] == [True] * max(1, len(arguments))


def test_an_entry_that_the_store_cannot_take_is_refused_and_the_rest_of_its_list_accepted(parts, caplog):
    class Picky:
        def accept(self, entries: list[Any], *more: Any) -> Any:
            if any(entry.draft.fields["text"] == "planted" for entry in entries):
                raise RuntimeError("the store says: planted")
            return parts.store.accept(entries, *more)

        def __getattr__(self, name: str) -> Any:
            return getattr(parts.store, name)

    acceptor: Any = replace(parts.acceptor, store=Picky())
    accept(replace(parts, acceptor=acceptor), [[BOTH, BOTH | {"text": "planted"}, BOTH]], "task-1")
    assert parts.store.page(None, 10, 1).total == 2
    [refused] = parts.store.refused(10)
    assert refused.reason == "It could not be stored (RuntimeError)."
    assert orjson.loads(refused.body)["text"] == "planted"
    assert "planted" not in caplog.text


def test_other_content_for_a_known_id_is_refused_and_the_rest_of_its_list_accepted(parts):
    accept(parts, [BOTH | {"id": "order-1"}], "task-1")
    accept(parts, [[BOTH | {"id": "order-1", "text": "Other"}, BOTH]], "task-2")
    assert parts.store.page(None, 10, 1).total == 2
    assert "order-1" in parts.store.refused(10)[0].reason


def test_what_was_refused_is_logged_without_its_content(parts, caplog):
    accept(parts, [{"text": "planted-secret", "externalEmail": "planted@"}], "task-1")
    assert "Refused 1 entries" in caplog.text
    assert "planted" not in caplog.text
    assert "planted-secret" in parts.store.refused(1)[0].body


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), 2**64, -(2**63) - 1])
@pytest.mark.parametrize("within", [lambda n: n, lambda n: {"a": [n]}, lambda n: [[{"b": n}]]])
def test_number_that_json_or_a_database_cannot_hold_is_refused_at_any_depth(parts, number, within):
    accept(parts, [BOTH | {"vehicle": within(number)}], "task-1")
    assert parts.store.page(None, 10, 1).total == 0
    [refused] = parts.store.refused(10)
    assert repr(json.loads(refused.body)["vehicle"]) == repr(within(number))


def test_refused_entry_is_found_by_its_own_id_and_by_the_producers(parts):
    accept(
        parts,
        [[{"id": "order-1"}, {"id": "order-2"}, {"text": "no id"}, {"id": "a\0b"}, {"id": 5}]],
        "task-1",
    )
    refused = parts.store.refused(10)
    assert sorted(str(one.message_id) for one in refused) == ["None"] * 3 + ["order-1", "order-2"]
    [found] = parts.store.find_refused("order-2")
    assert json.loads(found.body) == {"id": "order-2"}
    assert parts.store.find_refused(found.id) == [found]
    assert parts.store.find_refused("order-3") == []
