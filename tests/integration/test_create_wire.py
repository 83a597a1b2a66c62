"""Intake as its producers meet it: a real server, a real store, a real Valkey, HTTP. What is accepted."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import redis

from messages.store.migrating import migrate
from tests.integration.conftest import HELLO
from tests.servers import wait_until
from tests.servers.http import is_error


def test_a_message_is_accepted_stored_and_enqueued(client, broker_url):
    response = client.post("/api/messages", json=HELLO)
    assert response.status_code == 200
    body = response.json()
    assert body["success"] is True
    assert body["data"]["id"].startswith("msg_")
    assert body["data"]["text"] == HELLO["text"]
    assert body["data"]["externalPhoneNumber"] == "+18042221111"
    assert body["data"]["status"] == "queued"
    assert client.get(f"/api/messages/{body['data']['id']}").json() == body
    with redis.Redis.from_url(broker_url) as broker:
        wait_until(lambda: broker.llen("sms") == 1)
        task = json.loads(broker.lindex("sms", 0))
    arguments = json.loads(task["body"])[0]
    assert arguments == [[body["data"]["deliveries"][0]["id"]]]
    headers = json.dumps(task["headers"])
    assert "2221111" not in headers
    assert "222-1111" not in headers


def test_every_field_of_the_api_page_comes_back(client):
    example = client.get("/openapi.json").json()["paths"]["/api/messages"]["post"]["requestBody"]
    message = example["content"]["application/json"]["examples"]["Every field"]["value"]
    assert set(message) == {
        "id",
        "agent",
        "lead",
        "salesRep",
        "internalEmail",
        "externalPhoneNumber",
        "externalEmail",
        "internalPhoneNumber",
        "text",
        "templateType",
        "template",
        "attachments",
    }
    response = client.post("/api/messages", json=message, params={"depth": 1})
    assert response.status_code == 200, response.text
    data = response.json()["data"]
    assert set(message) <= set(data)
    assert data["lead"] == message["lead"]
    assert {d["channel"] for d in data["deliveries"]} == {"sms", "email"}


def test_every_example_on_the_openapi_page_works(client):
    post = client.get("/openapi.json").json()["paths"]["/api/messages"]["post"]
    for example in post["requestBody"]["content"]["application/json"]["examples"].values():
        assert client.post("/api/messages", json=example["value"]).status_code == 200


def test_depth_expands_what_was_given_inline(client):
    lead = {"id": "lead-1", "firstName": "Dana", "salesRep": {"id": "rep-1", "name": "Sam"}}
    created = client.post("/api/messages", json={**HELLO, "lead": lead}, params={"depth": 2}).json()["data"]
    assert created["lead"] == lead
    shown = client.get(f"/api/messages/{created['id']}").json()["data"]
    assert shown["lead"] == "lead-1"
    again = client.post(
        "/api/messages", json={**HELLO, "lead": "lead-1", "agent": "unknown"}, params={"depth": 1}
    )
    assert again.json()["data"]["lead"]["firstName"] == "Dana"
    assert again.json()["data"]["agent"] == "unknown"


def test_a_message_without_external_address_goes_to_the_known_leads(client):
    client.post("/api/messages", json={**HELLO, "lead": {"id": "lead-1", "email": "dana@example.com"}})
    created = client.post("/api/messages", json={"text": "Hi", "lead": "lead-1"}).json()["data"]
    assert [d["to"] for d in created["deliveries"]] == ["dana@example.com"]


def test_intake_runs_on_postgresql_just_so(serving, postgres_url, tmp_path: Path):
    migrate(postgres_url)
    with serving(database_url=postgres_url) as client:
        created = client.post("/api/messages", json=HELLO).json()["data"]
        assert client.get(f"/api/messages/{created['id']}").json()["data"] == created


def test_a_broker_that_is_down_delays_no_answer_and_loses_nothing(serving):
    with serving(broker_url="redis://127.0.0.1:1/0") as client:
        client.post("/api/messages", json=HELLO)
        begun = time.monotonic()
        response = client.post("/api/messages", json=HELLO)
        assert time.monotonic() - begun < 1
        assert response.status_code == 200
        assert client.get("/api/messages").json()["totalCount"] == 2
        assert "broker" in is_error(client.get("/readyz"), 503)["fields"]


# Repeats


def test_the_same_id_again_answers_with_the_message_as_it_is(client):
    first = client.post("/api/messages", json={"id": "order-1", **HELLO})
    second = client.post("/api/messages", json={"id": "order-1", **HELLO})
    assert second.status_code == 200
    assert second.json() == first.json()


def test_an_idempotency_key_makes_a_repeat_harmless(client):
    headers = {"Idempotency-Key": "once"}
    ids = {client.post("/api/messages", json=HELLO, headers=headers).json()["data"]["id"] for _ in range(3)}
    assert len(ids) == 1
    is_error(client.post("/api/messages", json={**HELLO, "text": "Other"}, headers=headers), 409)


def test_concurrent_repeats_make_one_message(client):
    with ThreadPoolExecutor(16) as threads:
        posts = threads.map(
            lambda _: client.post("/api/messages", json={"id": "order-1", **HELLO}), range(400)
        )
        assert {response.status_code for response in posts} == {200}
    assert client.get("/api/messages").json()["totalCount"] == 1
