"""A batch as its producers meet it: each Message has its own result, and nobody waits for it."""

import threading
import time

import httpx
import pytest
import redis

from intake import batch_api
from messages.acceptance import Acceptor
from messages.store import accepting
from messages.store.accepting import accept as really_accept
from tests.integration.conftest import HELLO
from tests.servers import wait_until
from tests.servers.http import is_error


def post(client, entries, **headers):
    return client.post("/api/messages/batch", json=entries, headers=headers)


def test_each_message_has_its_own_result_in_order_and_the_good_ones_are_stored(client):
    entries = [HELLO | {"id": "a"}, HELLO | {"text": 5}, "no Message", HELLO | {"id": "b"}, {"text": "Hello"}]
    response = post(client, entries)
    assert response.status_code == 200, response.text
    body = response.json()
    assert [result["success"] for result in body["data"]] == [True, False, False, True, False]
    assert (body["success"], body["accepted"], body["refused"]) == (True, 2, 3)
    for number in (0, 3):
        assert body["data"][number] == client.get(f"/api/messages/{entries[number]['id']}").json()
    for number in (1, 2, 4):
        assert body["data"][number] == client.post("/api/messages", json=entries[number]).json()
    assert client.get("/api/messages").json()["totalCount"] == 2


def test_a_repeat_is_the_same_message_and_other_content_a_conflict_of_its_own(client):
    post(client, [HELLO | {"id": "a"}])
    body = post(
        client, [HELLO | {"id": "a"}, HELLO | {"id": "a", "text": "other"}, HELLO | {"id": "b"}]
    ).json()
    assert [result.get("error", {}).get("code") for result in body["data"]] == [None, 409, None]
    assert body["data"][1] == client.post("/api/messages", json=HELLO | {"id": "a", "text": "other"}).json()


def test_a_batch_with_an_idempotency_key_may_be_repeated_as_a_whole(client):
    entries = [HELLO, HELLO, HELLO | {"id": "own"}]
    first, again = (post(client, entries, **{"Idempotency-Key": "k1"}).json() for _ in range(2))
    assert first == again
    assert len({result["data"]["id"] for result in first["data"]}) == 3
    other = post(client, [HELLO | {"text": "other"}], **{"Idempotency-Key": "k1"}).json()
    assert other["data"][0]["error"]["code"] == 409


def test_depth_expands_related_objects_in_every_result(client):
    lead = {"id": "lead_1", "firstName": "Dana"}
    url = "/api/messages/batch?depth=1"
    body = client.post(url, json=[HELLO | {"lead": lead}, HELLO | {"lead": "lead_1"}]).json()
    assert [result["data"]["lead"]["firstName"] for result in body["data"]] == ["Dana", "Dana"]


def test_a_thousand_are_accepted_and_one_more_is_none(client):
    assert post(client, [HELLO] * 1000).json()["accepted"] == 1000
    error = is_error(post(client, [HELLO] * 1001), 400)
    assert "1,000" in error["message"]
    assert client.get("/api/messages").json()["totalCount"] == 1000


def test_more_than_twenty_go_by_the_lane_beside_the_others(client, broker_url):
    with redis.Redis.from_url(broker_url) as broker:
        post(client, [HELLO] * 20)
        wait_until(lambda: broker.llen("sms") == 1)
        post(client, [HELLO] * 21)
        wait_until(lambda: broker.llen("sms.bulk") == 1)
        assert broker.llen("sms") == 1


@pytest.mark.parametrize("body", [{}, {"messages": [HELLO]}, [], 5, "text"])
def test_what_is_no_list_or_an_empty_one_is_400(client, body):
    is_error(post(client, body), 400)


def test_one_that_cannot_be_stored_spoils_no_other(client, monkeypatch):
    def accept(tx, entries, now, object_bytes):
        if any(entry.draft.id == "bad" for entry in entries):
            raise KeyError("a bug")
        return really_accept(tx, entries, now, object_bytes)

    monkeypatch.setattr(accepting, "accept", accept)
    body = post(client, [HELLO | {"id": "good"}, HELLO | {"id": "bad"}, HELLO | {"id": "fine"}]).json()
    assert [result.get("error", {}).get("code") for result in body["data"]] == [None, 500, None]
    assert client.get("/api/messages").json()["totalCount"] == 2


def test_a_single_message_does_not_wait_for_a_batch_that_is_being_checked(serving, monkeypatch):
    begun, goes_on = threading.Event(), threading.Event()

    def check(*arguments, **named):
        begun.set()
        goes_on.wait(20)
        return really_check(*arguments, **named)

    really_check = Acceptor.check
    monkeypatch.setattr(Acceptor, "check", check)
    with serving() as client, httpx.Client(base_url=client.base_url, timeout=20) as other:
        batch = threading.Thread(target=lambda: post(other, [HELLO] * 1000))
        batch.start()
        assert begun.wait(10)
        assert client.post("/api/messages", json=HELLO, timeout=5).status_code == 200
        goes_on.set()
        batch.join()
        assert client.get("/api/messages").json()["totalCount"] == 1001


def test_too_many_batches_at_once_are_sent_away_and_nothing_of_them_is_stored(serving, monkeypatch):
    monkeypatch.setattr(batch_api, "PATIENCE", 0.05)
    goes_on = threading.Event()

    def accept(tx, entries, now, object_bytes):
        goes_on.wait(10)
        return really_accept(tx, entries, now, object_bytes)

    monkeypatch.setattr(accepting, "accept", accept)
    with serving() as client:
        codes: list[int] = []
        senders = [threading.Thread(target=lambda: codes.append(_code(client))) for _ in range(3)]
        for sender in senders:
            sender.start()
        deadline = time.monotonic() + 10
        while not codes and time.monotonic() < deadline:
            time.sleep(0.01)
        goes_on.set()
        for sender in senders:
            sender.join()
        assert sorted(codes) == [200, 200, 503]
        assert client.get("/api/messages").json()["totalCount"] == 4


def _code(client):
    with httpx.Client(base_url=client.base_url, timeout=20) as own:
        response = post(own, [HELLO, HELLO])
        assert ("retry-after" in response.headers) == (response.status_code == 503)
        return response.status_code
