"""Intake's errors as producers get them: each with its status, in one form, naming what was wrong."""

import base64
import json

import httpx
import pytest

from intake.app import create_app
from messages import group
from messages.settings import load_settings
from tests.integration.conftest import HELLO
from tests.servers.http import is_error, serve

# The body


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


def test_attachments_over_the_limit_are_400_with_both_sizes(serving):
    with serving(attachment_max_bytes=1000) as client:
        attachment = {"content": base64.b64encode(bytes(1500)).decode()}
        error = is_error(client.post("/api/messages", json={**HELLO, "attachments": [attachment]}), 400)
    assert "1,500 bytes; at most 1,000" in error["fields"]["attachments"]


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


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_another_content_type_is_415(client, kind):
    headers = {"Content-Type": kind} if kind else {}
    is_error(client.post("/api/messages", content=json.dumps(HELLO), headers=headers), 415)


# Who may


def test_a_missing_or_wrong_key_is_401(serving):
    first, second = "first-long-random-key", "second-long-random-key"
    with serving(api_keys=f"{first}, {second}") as client:
        assert is_error(client.post("/api/messages", json=HELLO), 401)
        wrong = (first, "Bearer", "Bearer wrong", f"Bearer {first[:-1]}", f"Basic {first}", "Bearer ключ")
        for header in wrong:
            is_error(client.get("/api/messages", headers={"Authorization": header.encode()}), 401)
        for key in (first, second):
            good = client.post("/api/messages", json=HELLO, headers={"Authorization": f"Bearer {key}"})
            assert good.status_code == 200
        assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("host", ["rebound.example", "rebound.example:8000", "127.0.0.1.rebound.example"])
def test_without_keys_only_this_machine_is_served(client, host):
    error = is_error(client.get("/api/messages", headers={"Host": host}), 401)
    assert "API_KEYS" in error["message"]


# Paths, methods and parameters


@pytest.mark.parametrize("message_id", ["msg_nobody", "%00", "..%2f..", "a" * 5000])
def test_an_unknown_message_is_404(client, message_id):
    error = is_error(client.get(f"/api/messages/{message_id}"), 404)
    assert error["message"] == "Message Not Found" or "%2f" in message_id


def test_an_unknown_path_is_404_in_the_same_form(client):
    is_error(client.get("/api/nothing"), 404)


def test_a_path_with_a_slash_too_many_is_404(client):
    is_error(client.post("/api/messages/", json=HELLO), 404)


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/api/messages"), ("DELETE", "/api/messages/x"), ("POST", "/healthz")]
)
def test_a_method_that_is_not_possible_is_405(client, method, path):
    assert "allow" in client.request(method, path).headers
    is_error(client.request(method, path), 405)


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
        "status=failed",
        "Limit=5",
        "draft",
        "depth=1&depth=2",
    ],
)
def test_a_wrong_parameter_is_400_and_named(client, query):
    error = is_error(client.get(f"/api/messages?{query}"), 400)
    assert query.split("=")[0] in error["fields"]


@pytest.mark.parametrize(("method", "path"), [("GET", "{}"), ("POST", "{}/cancel"), ("POST", "{}/redrive")])
def test_unknown_parameter_of_a_message_is_400_and_nothing_happens(client, method, path):
    url = "/api/messages/" + client.post("/api/messages", json=HELLO).json()["data"]["id"]
    error = is_error(client.request(method, path.format(url) + "?where[status]=x&locale=en"), 400)
    assert error["type"] == "invalid_parameter"
    assert set(error["fields"]) == {"where[status]", "locale"}
    assert "there" in error["fields"]["locale"]
    assert client.get(url).json()["data"]["status"] == "queued"


# Trouble of our own


def test_a_store_that_is_away_is_503_with_retry_after(serving):
    with serving(database_url="postgresql+psycopg://user:hidden@127.0.0.1:1/none") as client:
        for response in (client.post("/api/messages", json=HELLO), client.get("/api/messages/x")):
            error = is_error(response, 503)
            assert int(response.headers["retry-after"]) > 0
            assert "hidden" not in response.text
            assert "Try again" in error["message"]
        is_error(client.get("/readyz"), 503)
        assert client.get("/healthz").status_code == 200


def test_where_too_many_wait_it_is_503_too_and_says_which(serving, monkeypatch):
    monkeypatch.setattr(group, "MAX_WAITING", 0)
    with serving() as client:
        response = client.post("/api/messages", json=HELLO)
        assert is_error(response, 503)["message"].startswith("More wait to be stored than")
        assert int(response.headers["retry-after"]) > 0
        many = client.post("/api/messages/batch", json=[HELLO])
        assert is_error(many, 503)["message"].startswith("More wait to be stored than")


def test_a_bug_is_500_in_the_same_form_and_tells_nothing(caplog):
    app = create_app(load_settings())

    @app.get("/bug")
    async def bug() -> None:
        raise RuntimeError("planted")

    with serve(app) as url:
        error = is_error(httpx.get(f"{url}/bug"), 500)
    assert "planted" not in str(error) + caplog.text
    assert "RuntimeError" in caplog.text
