"""`roundsman list --refused`, `show` and `redrive --refused` as they are typed."""

import json

import pytest
import redis

from messages.errors import InvalidMessage
from messages.store import RefusedEntry
from tests.integration.test_cli_by_hand import run  # noqa: F401

GOOD = {"externalPhoneNumber": "804-222-1111", "text": "Hello 👋 \x1b[2J"}
TASK = '{"task":"tasks.accept","id":"t","expires":"2001-01-01"}'


@pytest.fixture
def refused(sqlite_store, clock):
    """Two that were refused: one that can be accepted now, and one that cannot."""
    expired = InvalidMessage("The queue entry cannot be accepted: it has expired.")
    wrong = InvalidMessage("text: 5 is wrong", {"text": "5 is wrong"})
    given = (
        json.dumps({"id": "order-1", **GOOD}, ensure_ascii=False),
        json.dumps({"id": "order-2", "text": 5}),
    )
    sqlite_store.refuse([RefusedEntry(given[0], expired, TASK), RefusedEntry(given[1], wrong)], clock())
    return {entry.message_id: entry for entry in sqlite_store.refused(10)}


def test_list_shows_what_was_given_and_json_all_of_it(run, refused):  # noqa: F811
    listed = " ".join(run("list", "--refused").stdout.split())
    assert 'text: 5 is wrong given: {"id": "order-2", "text": 5}' in listed
    assert "it has expired. given: {" in listed
    assert "\x1b" not in listed
    entries = {entry["messageId"]: entry for entry in json.loads(run("list", "--refused", "--json").stdout)}
    assert json.loads(entries["order-1"]["body"]) == {"id": "order-1", **GOOD}
    assert entries["order-1"]["task"] == json.loads(TASK)
    assert entries["order-2"]["fields"] == {"text": "5 is wrong"}


@pytest.mark.parametrize("by", ["id", "message_id"])
def test_show_finds_it_by_its_own_id_and_by_the_producers(run, refused, by):  # noqa: F811
    entry = refused["order-1"]
    shown = run("show", getattr(entry, by)).stdout
    assert all(
        text in " ".join(shown.split()) for text in (entry.id, "it has expired", "order-1", "Hello 👋")
    )
    assert "\x1b" not in shown
    [found] = json.loads(run("show", getattr(entry, by), "--json").stdout)["refused"]
    assert found["id"] == entry.id


def test_show_of_an_unknown_id_says_so(run, refused):  # noqa: F811
    done = run("show", "order-3")
    assert done.returncode == 1
    assert "No Message and no refused entry has the id 'order-3'" in done.stderr


def test_redrive_submits_it_again_and_says_what_came_of_it(run, refused, sqlite_store, broker_url):  # noqa: F811
    done = run("redrive", "--refused", "order-1", refused["order-2"].id, "order-3")
    assert done.stdout == "Accepted order-1; see: roundsman show order-1\n"
    assert f"{refused['order-2'].id} is still refused: text: 5 is wrong" in done.stderr
    assert "No refused entry has the id 'order-3'" in done.stderr
    assert done.returncode == 1
    assert [entry.message_id for entry in sqlite_store.refused(10)] == ["order-2"]
    assert sqlite_store.find(["order-1"])[0].fields["text"] == GOOD["text"]
    with redis.Redis.from_url(broker_url) as broker:
        assert broker.llen("sms") == 1
    again = run("redrive", "--refused", "order-1", "--json")
    assert (again.returncode, json.loads(again.stdout)["accepted"]) == (1, [])
    assert sqlite_store.page(None, 10, 1).total == 1


def test_redrive_of_an_id_that_several_entries_have_asks_which(run, refused, sqlite_store, clock):  # noqa: F811
    sqlite_store.refuse([RefusedEntry('{"id":"order-1"}', InvalidMessage("No."))], clock())
    done = run("redrive", "--refused", "order-1")
    assert done.returncode == 1
    assert "2 refused entries have the id 'order-1': give one of ref_" in done.stderr


@pytest.mark.parametrize("options", [(), ("--failed-since", "2h"), ("--unknown", "order-1")])
def test_redrive_takes_refused_entries_by_id_only(run, options):  # noqa: F811
    assert run("redrive", "--refused", *options).returncode == 1
