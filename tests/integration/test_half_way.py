"""Many Messages that are stored one by one, since a bug met one of them; and half-way the store goes away."""

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from messages.delivery import Lane
from messages.errors import StoreUnavailable
from messages.store import accepting
from messages.store.accepting import accept as really_accept
from tasks.accept import accept
from tests.servers import wait_until
from tests.servers.http import is_error

HELLO = {"externalPhoneNumber": "804-222-1111", "text": "Hello"}
IDS = ["a", "b", "c", "d"]


@pytest.fixture
def going_away(monkeypatch):
    """Let the store go away at the Message with this text, until it is told otherwise."""
    asked: list[list[str]] = []

    def start(at: str | None) -> list[list[str]]:
        def store(tx, entries, now, object_bytes):
            texts = [entry.draft.fields["text"] for entry in entries]
            asked.append(texts)
            if len(texts) > 1:
                raise KeyError("a bug")
            if texts == [at]:
                raise StoreUnavailable("planted")
            return really_accept(tx, entries, now, object_bytes)

        monkeypatch.setattr(accepting, "accept", store)
        return asked

    return start


@pytest.fixture
def client(serving, database_url):
    with serving(database_url=database_url) as client:
        yield client


def given(**more: object) -> list[dict]:
    return [HELLO | {"text": one} | more for one in IDS]


def codes(answer: httpx.Response) -> list[int]:
    return [result.get("error", {}).get("code", 200) for result in answer.json()["data"]]


def test_of_a_batch_those_that_are_stored_say_so_and_the_others_when_to_repeat(client, going_away):
    asked = going_away("c")
    answer = client.post("/api/messages/batch", json=given(), headers={"Idempotency-Key": "k1"})
    assert (answer.status_code, codes(answer)) == (200, [200, 200, 503, 503])
    assert (answer.json()["accepted"], answer.json()["refused"]) == (2, 2)
    assert answer.headers["retry-after"] == "5"
    assert "Try again in 5 s" in answer.json()["data"][2]["error"]["message"]
    assert client.get("/api/messages").json()["totalCount"] == 2
    assert asked == [IDS, ["a"], ["b"], ["c"]]  # `d` would only have waited, too
    going_away(None)
    again = client.post("/api/messages/batch", json=given(), headers={"Idempotency-Key": "k1"})
    assert codes(again) == [200] * 4
    assert "retry-after" not in again.headers
    assert again.json()["data"][:2] == answer.json()["data"][:2]
    assert client.get("/api/messages").json()["totalCount"] == 4


@pytest.mark.parametrize("wrong", [[], [HELLO | {"text": 5}, "no Message"]])
def test_a_batch_of_which_none_is_stored_is_503(client, going_away, wrong):
    going_away("a")
    answer = client.post("/api/messages/batch", json=given() + wrong)
    is_error(answer, 503)
    assert answer.headers["retry-after"] == "5"
    assert client.get("/api/messages").json()["totalCount"] == 0


def test_a_task_comes_again_for_those_that_are_not_stored_and_doubles_none(parts, going_away):
    going_away("c")
    wrong = HELLO | {"text": 5}
    with pytest.raises(StoreUnavailable):
        accept(parts, [[*given(), wrong]], "task-1")
    stored = {found.message.id for found in parts.store.page(None, 10, 1).items}
    assert len(stored) == 2
    assert parts.doorbell.waiting(Lane.SMS) == 1  # at once, and not first by the sweep
    assert parts.store.refused(10) == []
    going_away(None)
    accept(parts, [[*given(), wrong]], "task-1")
    found = parts.store.page(None, 10, 1)
    assert (found.total, sorted(s.fields["text"] for s in found.items)) == (4, IDS)
    assert stored < {s.message.id for s in found.items}
    assert len(parts.store.refused(10)) == 1


def test_a_task_that_is_stored_does_not_come_again_with_the_one_it_was_stored_beside(parts, going_away):
    going_away("c")
    begun, goes_on = threading.Event(), threading.Event()

    def hold(entries):
        begun.set()
        goes_on.wait(10)
        return entries

    with ThreadPoolExecutor(3) as threads:
        threads.submit(parts.entrance.submit, [], hold)
        assert begun.wait(10)
        first = threads.submit(accept, parts, [given()[:2]], "task-1")
        wait_until(lambda: len(parts.entrance._waiting) == 1)
        second = threads.submit(accept, parts, [given()[2:]], "task-2")
        wait_until(lambda: len(parts.entrance._waiting) == 2)
        goes_on.set()
        assert first.result(10) is None
        with pytest.raises(StoreUnavailable):
            second.result(10)
    assert parts.store.page(None, 1, 1).total == 2
