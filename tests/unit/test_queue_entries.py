"""Entries of the queues, read without Celery."""

import base64
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages.queue_entries import BadEntry, clean_envelope, contents, read_task
from messages.queues import ALL_QUEUES, ALL_TASKS

MESSAGE = {"id": "order-1", "text": "Hello"}
LATER = (datetime.now(UTC) + timedelta(hours=1)).isoformat()


def protocol_2(arguments: Any = (MESSAGE,), named: Any = None, third: Any = None, **headers: Any) -> Any:
    body = base64.b64encode(json.dumps([arguments, named, third]).encode()).decode()
    properties = {"delivery_tag": "t", "body_encoding": "base64", "delivery_info": {"routing_key": "intake"}}
    return {"body": body, "headers": {"task": "tasks.accept", "id": "t", **headers}, "properties": properties}


def protocol_1(**fields: Any) -> Any:
    task = {"task": "tasks.accept", "id": "t", "args": [MESSAGE], "kwargs": {}, **fields}
    return {"body": json.dumps(task), "headers": {}, "properties": {}}


def read(entry: Any) -> Any:
    clean = clean_envelope(json.loads(json.dumps(entry)), "intake")
    body = clean["body"].encode()
    is_base64 = clean["properties"]["body_encoding"] == "base64"
    return read_task(clean["headers"], base64.b64decode(body) if is_base64 else body)


@pytest.mark.parametrize("make", [protocol_1, protocol_2])
@pytest.mark.parametrize(
    "options",
    [{}, {"expires": LATER}, {"expires": LATER.replace("+00:00", "")}, {"retries": "x"}, {"eta": None}],
)
def test_task_of_either_protocol_is_read(make, options):
    task = read(make(**options))
    assert (task.name, task.id, task.arguments, task.named) == ("tasks.accept", "t", [MESSAGE], {})


@pytest.mark.parametrize("make", [protocol_1, protocol_2])
@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            {"expires": "2001-01-01T00:00:00"},
            "it has expired (2001-01-01T00:00:00); give expiresAt in the Message",
        ),
        ({"expires": "2001-01-01T00:00:00+02:00"}, "it has expired"),
        ({"expires": 5}, "its expires 5 is not a time; give expiresAt in the Message instead"),
        ({"expires": "soon"}, "its expires 'soon' is not a time"),
        ({"expires": ""}, "is not a time"),
        ({"expires": {"x": 1}}, "an object is not a time"),
        ({"eta": LATER}, "it has an eta"),
        ({"eta": 0}, "it has an eta"),
        ({"task": "celery.backend_cleanup"}, "no task here has the name 'celery.backend_cleanup'"),
        ({"task": "celery.chord"}, "no task here has the name"),
        ({"task": 5}, "no task here has the name 5"),
        ({"task": None}, "no task here has the name null"),
        ({"id": None}, "its id is null; give a new UUID for each task"),
        ({"id": "a b"}, "its id is 'a b'"),
        ({"id": 5}, "its id is 5"),
    ],
)
def test_option_that_celery_would_act_on_is_refused(make, options, says):
    with pytest.raises(BadEntry) as refused:
        read(make(**options))
    assert says in str(refused.value)


@pytest.mark.parametrize("third", [5, True, "x", [1], [], 0, {"callbacks": [1]}, {"chord": {"task": "x"}}])
def test_third_part_that_is_not_an_object_or_has_further_tasks_is_refused(third):
    with pytest.raises(BadEntry):
        read(protocol_2(third=third))


@pytest.mark.parametrize("third", [None, {}, {"callbacks": None, "chain": None}, {"is_eager": True, "id": 5}])
def test_third_part_changes_nothing(third):
    assert read(protocol_2(third=third)) == read(protocol_2())


@pytest.mark.parametrize(
    "kind", ["application/x-python-serialize", "application/x-yaml", "application/data", "", 5, ["x"]]
)
def test_nothing_but_json_is_read(kind):
    with pytest.raises(BadEntry, match=r"content-type is .*; only application/json is read"):
        read(protocol_2() | {"content-type": kind})


def test_envelope_has_what_kombu_needs_to_give_it_back():
    given = protocol_2(redelivered={"x": 1}, origin="x", rungAt=7)
    given["properties"] |= {"priority": 1e300, "delivery_info": {"exchange": [], "routing_key": 5}, "x": 1}
    clean = clean_envelope(given, "intake.bulk")
    assert clean["headers"] == {"task": "tasks.accept", "id": "t", "rungAt": 7}
    tag = clean["properties"].pop("delivery_tag")
    assert tag != clean_envelope(given, "intake.bulk")["properties"]["delivery_tag"]
    assert clean["properties"] == {
        "delivery_info": {"exchange": "", "routing_key": "intake.bulk", "redelivered": False},
        "body_encoding": "base64",
        "priority": 0,
    }


@pytest.mark.parametrize("make", [protocol_1, protocol_2])
def test_refused_entry_is_kept_as_its_message_with_what_the_task_said(make):
    [content] = contents(make(eta=LATER))
    assert content.message == MESSAGE
    assert content.task == {"task": "tasks.accept", "id": "t", "eta": LATER}


def test_each_message_of_a_refused_list_is_kept_by_itself():
    found = contents(protocol_2([[MESSAGE, 5, MESSAGE]], eta=LATER))
    assert [content.message for content in found] == [MESSAGE, 5, MESSAGE]
    assert len(contents(protocol_2([[MESSAGE] * 5000], eta=LATER))) == 1


@pytest.mark.parametrize("entry", [None, 5, [], {}, "x", {"body": 5}, {"body": "x"}, protocol_1(args="abc")])
def test_entry_that_cannot_be_read_is_kept_whole(entry):
    assert [(content.message, content.task) for content in contents(entry)] == [(entry, None)]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(sorted(ALL_TASKS)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
PARTS = st.sampled_from(["body", "headers", "properties", "content-type", "content-encoding"])
NAMES = st.sampled_from(
    ["task", "id", "args", "kwargs", "expires", "eta", "chord", "delivery_tag", "priority"]
)


ENTRIES = anything | st.dictionaries(PARTS, anything | st.dictionaries(NAMES, anything))


@given(ENTRIES, st.sampled_from(ALL_QUEUES))
def test_any_entry_is_a_task_or_is_refused_and_keeps_its_content(entry, queue):
    assert contents(entry)
    with suppress(BadEntry):
        clean = clean_envelope(entry, queue)
        read_task(clean["headers"], clean["body"].encode("utf-8", "replace"))
