"""What intake takes of a Message's content, and what it refuses, as a producer meets it over HTTP."""

import pytest

from tests.integration.conftest import HELLO
from tests.servers.http import is_error

LATER = {**HELLO, "sendAt": "2090-01-01T00:00:00Z"}
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("number", "field"),
    [
        ("12345678901234567890123", "dealNumber"),
        ('[{"miles": -12345678901234567890123}]', "vehicle"),
        ("18446744073709551616", "price"),
        ("-1e400", "price"),
        ("1E999", "price"),
    ],
)
def test_number_beyond_64_bits_is_400_and_named(client, number, field):
    body = f'{{"externalPhoneNumber":"804-555-0100","text":"x","{field}":{number}}}'
    error = is_error(client.post("/api/messages", content=body, headers=JSON), 400)
    assert "holds a number of more than 64 bits" in error["fields"][field]
    many = client.post("/api/messages/batch", content=f"[{body},{body.replace(number, '1')}]", headers=JSON)
    assert [result["success"] for result in many.json()["data"]] == [False, True]


@pytest.mark.parametrize(
    ("field", "spellings"),
    [
        ("sendAt", ["2090-01-01T00:00:00Z", "2090-01-01T00:00:00.000Z", "2090-01-01t00:00:00+00:00"]),
        ("price", [24990, 24990.0]),
        ("text", ["a\r\nb", "a\nb", "a\rb"]),
        ("v", [{"a": None, "b": 1}, {"b": 1}]),
    ],
)
@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "once"}])
def test_another_spelling_of_the_same_content_repeats_the_message(client, field, spellings, headers):
    given = LATER if headers else {"id": "order-1", **LATER}
    answers = [client.post("/api/messages", json=given | {field: s}, headers=headers) for s in spellings]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["data"]["id"] for answer in answers}) == 1


def test_text_too_long_for_sms_is_400_where_sms_is_the_only_channel(client):
    error = is_error(client.post("/api/messages", json={**HELLO, "text": "a" * 1601}), 400)
    assert error["type"] == "too_large"
    assert error["fields"] == {"text": "has 1,601 characters; an SMS may have 1,600"}
    assert client.post("/api/messages", json={**HELLO, "text": f" {'a' * 1600}\r\n"}).status_code == 200


def test_text_too_long_for_sms_goes_by_email_with_a_warning(client):
    both = {"id": "order-1", **HELLO, "externalEmail": "dana@example.com", "text": "a" * 1601}
    answer = client.post("/api/messages", json=both).json()
    assert [delivery["channel"] for delivery in answer["data"]["deliveries"]] == ["email"]
    reason = "has 1,601 characters; an SMS may have 1,600. No SMS is sent, only the e-mail"
    assert answer["warnings"] == [{"field": "text", "message": reason}]
    assert client.post("/api/messages", json=both).json() == answer
    assert client.get("/api/messages/order-1").json() == answer
    assert client.post("/api/messages/batch", json=[both]).json()["data"] == [answer]


def test_unknown_parameter_of_a_post_is_a_warning(client):
    query = "/api/messages?locale=en&draft=false&depth=0&draft=true"
    answer = client.post(query, json={"id": "order-1", **HELLO}).json()
    assert [warning["field"] for warning in answer["warnings"]] == ["locale", "draft"]
    assert "without effect; there is depth" in answer["warnings"][0]["message"]
    assert client.get("/api/messages/order-1").json()["warnings"] == answer["warnings"]
    assert client.post("/api/messages", json={"id": "order-1", **HELLO}).json() == answer
    batch = client.post("/api/messages/batch?locale=en", json=[HELLO]).json()
    assert [warning["field"] for warning in batch["warnings"]] == ["locale"]
    is_error(client.post("/api/messages?depth=1&depth=2", json=HELLO), 400)


def test_field_without_effect_is_a_warning_unless_the_template_reads_it(serving, tmp_path):
    folder = tmp_path / "templates" / "news" / "default"
    folder.mkdir(parents=True)
    (folder / "sms.txt").write_text("{% include 'news/_head.txt' %}: {{ text }}")
    (folder.parent / "_head.txt").write_text("{{ message['subject'] }}")
    given = {
        **HELLO,
        "templateType": "news",
        "subject": "News",
        "externalemail": "dana@example.com",
        "cc": "x",
    }
    for setting in (True, False):
        with serving(templates_dir=tmp_path / "templates", render_at_acceptance=setting) as client:
            answer = client.post("/api/messages", json=given).json()
        assert {warning["field"] for warning in answer["warnings"]} == {"externalemail", "cc"}


def test_refused_message_has_its_warnings_beside_the_error(client):
    for body in (
        {"text": "Hello", "extrenalEmail": "dana@example.com"},
        {**HELLO, "text": None, "Text": "Hi"},
    ):
        answer = client.post("/api/messages", json=body)
        is_error(answer, 400)
        assert "did you mean" in answer.json()["warnings"][0]["message"]


def test_address_of_a_related_object_that_cannot_be_read_is_a_warning(client):
    lead = {"id": "lead-1", "email": " dana@example.com ", "phone": "12"}
    answer = client.post("/api/messages", json={"text": "Hello", "lead": lead}).json()
    assert [delivery["to"] for delivery in answer["data"]["deliveries"]] == ["dana@example.com"]
    assert [warning["field"] for warning in answer["warnings"]] == ["lead.phone"]
    again = client.post("/api/messages", json={"text": "Hello", "lead": "lead-1"}).json()
    assert again["warnings"] == answer["warnings"]
    assert client.post("/api/messages", json={**HELLO, "lead": "lead-1"}).json()["warnings"] == []


def test_limit_of_a_setting_is_400_with_value_limit_and_setting(serving):
    with serving(max_text_bytes=10, max_object_bytes=50, max_fields_bytes=200, max_nesting=3) as client:
        for fields, says in (
            ({"text": "x" * 11}, "text: has 11 bytes; at most 10 are allowed (MAX_TEXT_BYTES)"),
            ({"lead": {"id": "l", "note": "n" * 50}}, "at most 50 are allowed (MAX_OBJECT_BYTES)"),
            ({"vehicle": "v" * 300}, "at most 200 are allowed (MAX_FIELDS_BYTES)"),
            ({"vehicle": [[[[]]]]}, "is nested 4 levels deep; at most 3 are allowed"),
        ):
            error = is_error(client.post("/api/messages", json={**HELLO, "text": "Hi"} | fields), 400)
            assert says in error["message"]
