"""Intake as its producers meet it: a real server, a real store, a real Valkey, HTTP."""

import base64
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import redis

from intake.app import create_app
from messages.clock import system_clock
from messages.settings import load_settings
from messages.signing import signed_path
from messages.store import Store
from messages.store.migrating import migrate
from tests.servers import wait_until
from tests.servers.http import is_error, serve

HELLO = {"externalPhoneNumber": "804-222-1111", "text": "Is the vehicle still available?"}


# Create


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
    arguments = json.loads(base64.b64decode(task["body"]))[0]
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


# Errors


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"text": "\\ud800"}', b"[" * 100_000, b"nope"])
def test_a_body_that_is_not_json_is_400(client, body):
    error = is_error(
        client.post("/api/messages", content=body, headers={"Content-Type": "application/json"}), 400
    )
    assert "not JSON" in error["message"]


@pytest.mark.parametrize("body", ["[]", "5", "null", '"text"', "true"])
def test_a_body_that_is_no_object_is_400(client, body):
    is_error(client.post("/api/messages", content=body, headers={"Content-Type": "application/json"}), 400)


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({**HELLO, "text": 5}, "text"),
        ({**HELLO, "externalPhoneNumber": "12"}, "externalPhoneNumber"),
        ({**HELLO, "externalPhoneNumber": "804-222-1111\n"}, "externalPhoneNumber"),
        ({**HELLO, "internalPhoneNumber": "0"}, "internalPhoneNumber"),
        ({**HELLO, "externalEmail": "nobody"}, "externalEmail"),
        ({**HELLO, "internalEmail": "@"}, "internalEmail"),
        ({**HELLO, "templateType": "no-such"}, "templateType"),
        ({**HELLO, "template": "no-such"}, "template"),
        ({**HELLO, "lead": 7}, "lead"),
        ({**HELLO, "attachments": [7]}, "attachments[0]"),
        ({**HELLO, "attachments": ["never-given"]}, "attachments[0]"),
        ({**HELLO, "id": "a b"}, "id"),
        ({"externalPhoneNumber": "804-222-1111"}, "text"),
        ({"text": "Hello"}, "externalPhoneNumber"),
        ({"text": "Hello", "lead": "nobody-knows"}, "externalPhoneNumber"),
        (
            {"externalPhoneNumber": "804-222-1111", "templateType": "invoice", "template": "email-only"},
            "template",
        ),
    ],
)
def test_a_wrong_field_is_400_and_named(client, message, field):
    error = is_error(client.post("/api/messages", json=message), 400)
    assert field in error["fields"]
    assert client.get("/api/messages").json()["totalCount"] == 0


def test_a_template_without_a_part_for_the_channel_is_400(serving, tmp_path):
    folder = tmp_path / "templates" / "news" / "default"
    folder.mkdir(parents=True)
    (folder / "subject.txt").write_text("News")
    (folder / "body.txt").write_text("News")
    with serving(templates_dir=tmp_path / "templates") as client:
        error = is_error(client.post("/api/messages", json={**HELLO, "templateType": "news"}), 400)
    assert "No channel is left" in error["message"]
    assert set(error["fields"]) == {"externalEmail"}


def test_a_missing_or_wrong_key_is_401(serving):
    with serving(api_keys="first,second") as client:
        assert is_error(client.post("/api/messages", json=HELLO), 401)
        for header in ("first", "Bearer", "Bearer wrong", "Bearer firs", "Basic first", "Bearer ключ"):
            is_error(client.get("/api/messages", headers={"Authorization": header.encode()}), 401)
        for key in ("first", "second"):
            good = client.post("/api/messages", json=HELLO, headers={"Authorization": f"Bearer {key}"})
            assert good.status_code == 200
        assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "host", ["localhost:evil@x", "rebound.example", "rebound.example:8000", "127.0.0.1.rebound.example"]
)
def test_without_keys_only_this_machine_is_served(client, host):
    error = is_error(client.get("/api/messages", headers={"Host": host}), 401)
    assert "API_KEYS" in error["message"]


def test_without_keys_a_request_passed_on_for_somebody_else_is_refused(client):
    is_error(client.get("/api/messages", headers={"X-Forwarded-For": "203.0.113.7"}), 401)


@pytest.mark.parametrize("message_id", ["msg_nobody", "%00", "..%2f..", "a" * 5000])
def test_an_unknown_message_is_404(client, message_id):
    error = is_error(client.get(f"/api/messages/{message_id}"), 404)
    assert error["message"] == "Message Not Found" or "%2f" in message_id


def test_an_unknown_path_is_404_in_the_same_form(client):
    is_error(client.get("/api/nothing"), 404)


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/api/messages"), ("DELETE", "/api/messages/x"), ("POST", "/healthz")]
)
def test_a_method_that_is_not_possible_is_405(client, method, path):
    assert "allow" in client.request(method, path).headers
    is_error(client.request(method, path), 405)


def test_other_content_for_an_id_is_409(client):
    client.post("/api/messages", json={"id": "order-1", **HELLO})
    error = is_error(client.post("/api/messages", json={"id": "order-1", **HELLO, "text": "Other"}), 409)
    assert "order-1" in error["message"]
    assert "id" in error["fields"]


def test_a_body_over_the_limit_is_413(serving):
    with serving(max_body_bytes=1000) as client:
        error = is_error(client.post("/api/messages", json={**HELLO, "text": "x" * 2000}), 413)
        assert "1,000" in error["message"]
        chunks = (b"x" * 600 for _ in range(10))
        headers = {"Content-Type": "application/json"}
        is_error(client.post("/api/messages", content=chunks, headers=headers), 413)


def test_attachments_over_the_limit_are_400_with_both_sizes(serving):
    with serving(attachment_max_bytes=1000) as client:
        attachment = {"content": base64.b64encode(bytes(1500)).decode()}
        error = is_error(client.post("/api/messages", json={**HELLO, "attachments": [attachment]}), 400)
    assert "1,500 bytes; at most 1,000" in error["fields"]["attachments"]


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_another_content_type_is_415(client, kind):
    headers = {"Content-Type": kind} if kind else {}
    is_error(client.post("/api/messages", content=json.dumps(HELLO), headers=headers), 415)


def test_a_store_that_is_away_is_503_with_retry_after(serving):
    with serving(database_url="postgresql+psycopg://user:hidden@127.0.0.1:1/none") as client:
        for response in (client.post("/api/messages", json=HELLO), client.get("/api/messages/x")):
            error = is_error(response, 503)
            assert int(response.headers["retry-after"]) > 0
            assert "hidden" not in response.text
            assert "Try again" in error["message"]
        is_error(client.get("/readyz"), 503)
        assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        "depth=11",
        "depth=-1",
        "depth=x",
        "limit=0",
        "limit=101",
        "page=0",
        "page=x",
        "where[status][equals]=nope",
        "where[color][equals]=red",
    ],
)
def test_a_wrong_parameter_is_400_and_named(client, query):
    error = is_error(client.get(f"/api/messages?{query}"), 400)
    assert query.split("=")[0] in error["fields"]


def test_a_bug_is_500_in_the_same_form_and_tells_nothing(caplog):
    app = create_app(load_settings())

    @app.get("/bug")
    async def bug() -> None:
        raise RuntimeError("planted")

    with serve(app) as url:
        error = is_error(httpx.get(f"{url}/bug"), 500)
    assert "planted" not in str(error) + caplog.text
    assert "RuntimeError" in caplog.text


def test_a_path_with_a_slash_too_many_is_404(client):
    is_error(client.post("/api/messages/", json=HELLO), 404)


def test_a_probe_may_ask_for_the_head_only(client):
    assert client.head("/healthz").status_code == 200


def test_a_body_that_never_arrives_holds_up_nobody_else(client):
    address = urlsplit(str(client.base_url))
    with socket.create_connection((address.hostname, address.port)) as slow:
        slow.sendall(
            b"POST /api/messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 1000\r\n\r\n{"
        )
        assert client.post("/api/messages", json=HELLO).status_code == 200


def test_a_broker_that_is_down_delays_no_answer_and_loses_nothing(serving):
    with serving(broker_url="redis://127.0.0.1:1/0") as client:
        client.post("/api/messages", json=HELLO)
        begun = time.monotonic()
        response = client.post("/api/messages", json=HELLO)
        assert time.monotonic() - begun < 1
        assert response.status_code == 200
        assert client.get("/api/messages").json()["totalCount"] == 2
        assert "broker" in is_error(client.get("/readyz"), 503)["fields"]


# Show and list


def test_lists_have_the_whole_envelope(client):
    for number in range(5):
        client.post("/api/messages", json={**HELLO, "id": f"order-{number}"})
    first = client.get("/api/messages", params={"limit": 2}).json()
    assert [m["id"] for m in first["data"]] == ["order-4", "order-3"]
    del first["data"]
    assert first == {
        "success": True,
        "page": 1,
        "nextPage": 2,
        "prevPage": None,
        "totalPages": 3,
        "totalCount": 5,
        "limit": 2,
        "pagingCounter": 1,
        "hasPrevPage": False,
        "hasNextPage": True,
    }
    last = client.get("/api/messages", params={"limit": 2, "page": 3}).json()
    assert [m["id"] for m in last["data"]] == ["order-0"]
    assert (last["prevPage"], last["nextPage"], last["pagingCounter"]) == (2, None, 5)


def test_lists_filter_by_status(client):
    client.post("/api/messages", json=HELLO)
    assert client.get("/api/messages?where[status][equals]=queued").json()["totalCount"] == 1
    assert client.get("/api/messages?where[status][equals]=sent").json()["totalCount"] == 0


def test_the_openapi_page_describes_every_field_without_a_foreign_host(client):
    schema = client.get("/openapi.json").json()
    fields = schema["components"]["schemas"]["NewMessage"]["properties"]
    assert {"id", "agent", "lead", "salesRep", "text", "template", "attachments"} <= set(fields)
    assert fields["externalPhoneNumber"]["anyOf"][0]["pattern"].startswith("^")
    for operations in schema["paths"].values():
        for operation in operations.values():
            assert "422" not in operation["responses"]
    page = client.get("/docs").text
    assert "https://" not in page.replace("https://fastapi.tiangolo.com/img/favicon.png", "")


def test_metrics_count_what_was_accepted(client):
    client.post("/api/messages", json=HELLO)
    text = client.get("/metrics").text
    assert 'roundsman_deliveries{state="queued"} 1.0' in text
    assert "roundsman_messages_accepted_total" in text


# Media


def test_a_signed_url_serves_an_attachments_content_and_no_other_url_does(client, sqlite_url):
    attachment = {
        "id": "sticker",
        "filename": "Preis für ünten.txt",
        "mimeType": "text/html",
        "content": "SGVsbG8=",
    }
    client.post("/api/messages", json={**HELLO, "attachments": [attachment]})
    store = Store(sqlite_url)
    key = store.signing_key()
    store.close()
    good = signed_path(key, "sticker", attachment["filename"], system_clock() + 60_000)
    response = client.get(good)
    assert response.content == b"Hello"
    assert response.headers["content-type"].startswith("text/html")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in response.headers["content-security-policy"]
    expired = signed_path(key, "sticker", "x", system_clock() - 1)
    forged = signed_path(b"another key", "sticker", "x", system_clock() + 60_000)
    other = good.replace("sticker", "other", 1)
    for wrong in (expired, forged, other, "/media/a/b/c/d"):
        is_error(client.get(wrong), 404)


def test_intake_runs_on_postgresql_just_so(serving, postgres_url, tmp_path: Path):
    migrate(postgres_url)
    with serving(database_url=postgres_url) as client:
        created = client.post("/api/messages", json=HELLO).json()["data"]
        assert client.get(f"/api/messages/{created['id']}").json()["data"] == created
