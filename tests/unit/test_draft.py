import base64
from contextlib import suppress
from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages.attachments import AttachmentLimits
from messages.draft import draft
from messages.errors import InvalidMessage
from tests.conftest import CATALOGUE

LIMITS = AttachmentLimits(max_files=3, max_bytes=1000)
HELLO = {"text": "Hello", "externalEmail": "dana@example.com"}


def drafted(**fields):
    return draft(HELLO | fields, CATALOGUE, LIMITS)


def wrong(raw) -> dict[str, str]:
    with pytest.raises(InvalidMessage) as raised:
        draft(raw, CATALOGUE, LIMITS)
    return raised.value.fields


@pytest.mark.parametrize("raw", [None, [], "text", 5, True])
def test_what_is_no_object_is_refused(raw):
    with pytest.raises(InvalidMessage, match="is a JSON object"):
        draft(raw, CATALOGUE, LIMITS)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("id", "", "is not an id"),
        ("id", "a b", "is not an id"),
        ("id", "a/b", "is not an id"),
        ("id", "x" * 201, "is not an id"),
        ("id", 5, "should be a string"),
        ("agent", 5, "neither an id (a string) nor an object"),
        ("lead", ["l"], "a list is neither an id"),
        ("salesRep", {"id": 7}, "its id 7 is not a string"),
        ("template", 5, "neither the name of a template nor an object"),
        ("template", {"color": "red"}, "neither a name nor an id"),
        ("internalEmail", "nobody", "'nobody' is not an e-mail address"),
        ("externalEmail", "a@b.com\nBcc: x@y.com", "is not an e-mail address"),
        ("externalPhoneNumber", "12", "'12' is not a North American phone number"),
        ("externalPhoneNumber", "804-222-1111\n", "is not a North American phone number"),
        ("externalPhoneNumber", "٨٠٤-٢٢٢-١١١١", "is not a North American phone number"),
        ("externalPhoneNumber", "8" * 1_000_000, "(1000000 characters) is not a North American phone number"),
        ("internalPhoneNumber", 8042221111, "8042221111 is wrong: should be a string"),
        ("text", {"a": 1}, "an object is wrong: should be a string"),
        ("text", "a\0b", "U+0000"),
        ("text", "a\ud800b", "surrogate"),
        ("templateType", "no-such-type", "'no-such-type' is no template type here"),
        ("template", "../../etc/passwd", "is no template here"),
        ("attachments", "x", "should be a list"),
        ("attachments", [5], "attachments[0]"),
        ("attachments", ["ftp://example.com/x"], "no http(s) URL"),
        ("attachments", ["https://"], "is not a URL"),
        ("attachments", ["data:text/plain;base64"], "no comma"),
        ("attachments", ["data:text/plain;base64,%%%"], "not base64"),
        ("attachments", [{"content": "%%%"}], "not base64"),
        ("attachments", [{"filename": "a.txt"}], "either url or content"),
        ("attachments", [{"url": "https://example.com/", "content": "QQ=="}], "either url or content"),
        ("attachments", [{"content": "QQ==", "mimeType": "text"}], "is not a type"),
        ("attachments", ["https://example.com/"] * 4, "there are 4 of them; at most 3"),
        ("sendAt", "tomorrow", "is not a time"),
        ("sendAt", "2026-05-14T12:00:00", "is not a time"),
        ("sendAt", "9999-12-31T23:59:59-12:00", "is not a time"),
        ("lead", {"id": "l", "salesRep": {"id": "x" * 9000}}, "is not an id"),
        ("price", Decimal("1.5"), "holds a Decimal, which is not a JSON value"),
        ("dueOn", datetime(2090, 1, 1), "holds a datetime without a time zone"),  # noqa: DTZ001
        ("price", b"1.5", "holds a bytes, which is not a JSON value"),
        ("status", "sent", "is recorded by Roundsman"),
        ("vehicle", {"vin": 2**70}, "more than 64 bits"),
    ],
)
def test_a_wrong_field_is_named_with_its_value_and_what_would_be_right(field, value, says):
    fields = wrong(HELLO | {field: value})
    name, sentence = next((n, s) for n, s in fields.items() if n.startswith(field))
    assert says in f"{name}: {sentence}"


def test_attachments_over_the_limit_say_the_size_found_and_the_limit():
    content = base64.b64encode(bytes(2500)).decode()
    assert (
        "2,500 bytes; at most 1,000" in wrong(HELLO | {"attachments": [{"content": content}]})["attachments"]
    )


def test_every_wrong_field_is_named_at_once():
    fields = wrong({"text": 5, "externalEmail": "x", "externalPhoneNumber": "y"})
    assert set(fields) == {"text", "externalEmail", "externalPhoneNumber"}


def test_input_nested_too_deeply_is_refused():
    deep: object = "x"
    for _ in range(60):
        deep = {"a": deep}
    assert "nested" in wrong(HELLO | {"vehicle": deep})["vehicle"]


@pytest.mark.parametrize("empty", [{}, {"text": None}, {"text": ""}, {"attachments": []}])
def test_nothing_to_send_is_refused(empty):
    assert wrong({"externalEmail": "dana@example.com"} | empty) == {"text": "is missing"}


def test_addresses_are_normalised():
    fields = drafted(externalPhoneNumber="+1 (804) 222-1111", externalEmail="Dana@EXAMPLE.com").fields
    assert fields["externalPhoneNumber"] == "+18042221111"
    assert fields["externalEmail"] == "Dana@example.com"


def test_an_international_address_is_accepted():
    assert drafted(externalEmail="用户@例え.jp").fields["externalEmail"] == "用户@例え.jp"


def test_unknown_fields_are_kept_and_nulls_count_as_not_given():
    fields = drafted(vehicle={"year": 2024}, lead=None).fields
    assert fields["vehicle"] == {"year": 2024}
    assert "lead" not in fields


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({}, "plain/default"),
        ({"templateType": "lead", "template": "nudge"}, "lead/nudge"),
        ({"template": "nudge"}, "lead/nudge"),
        ({"template": "lead/nudge"}, "lead/nudge"),
        ({"templateType": "invoice"}, "invoice/default"),
        ({"template": {"id": "t1", "name": "nudge"}}, "lead/nudge"),
    ],
)
def test_a_template_is_found_by_type_by_name_or_by_both(fields, path):
    assert drafted(**fields).template.path == path


def test_inline_objects_are_taken_out_and_named_by_id():
    d = drafted(lead={"id": "lead-1", "salesRep": {"name": "Sam"}})
    rep_id = d.objects["leads", "lead-1"]["salesRep"]
    assert d.fields["lead"] == "lead-1"
    assert d.objects["salesReps", rep_id]["name"] == "Sam"


def test_an_object_without_id_gets_the_same_id_each_time():
    one, other = (drafted(lead={"firstName": "Dana"}).fields["lead"] for _ in range(2))
    assert one == other


def test_equal_content_has_one_fingerprint_and_other_content_another():
    assert drafted(id="a").fingerprint == drafted(id="b").fingerprint
    assert (
        drafted(externalPhoneNumber="804-222-1111").fingerprint
        == drafted(externalPhoneNumber="+1 804-222-1111").fingerprint
    )
    assert drafted().fingerprint != drafted(text="Other").fingerprint


def test_text_is_data():
    assert drafted(text="{{ 7 * 7 }}").fields["text"] == "{{ 7 * 7 }}"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
FIELDS = [
    "id",
    "agent",
    "lead",
    "text",
    "template",
    "templateType",
    "externalEmail",
    "externalPhoneNumber",
    "attachments",
]


@given(json_values | st.dictionaries(st.sampled_from(FIELDS) | st.text(), json_values))
def test_whatever_is_given_is_a_draft_or_an_error_with_words(raw):
    with suppress(InvalidMessage):
        draft(raw, CATALOGUE, LIMITS)
        return
    with pytest.raises(InvalidMessage) as raised:
        draft(raw, CATALOGUE, LIMITS)
    assert raised.value.message
    assert all(isinstance(why, str) and why for why in raised.value.fields.values())


INVISIBLE = "\u200b\u200d\ufeff\u00ad\u2060\u00a0\ufe0f\u3164\u202e\U000e0041 \r\n\t\x0b"


@pytest.mark.parametrize("text", [*INVISIBLE, INVISIBLE, INVISIBLE * 1000])
def test_text_that_nobody_sees_counts_as_absent(text):
    assert wrong(HELLO | {"text": text}) == {"text": "has only white space and invisible characters"}
    assert "text" not in drafted(text=text, templateType="plain").fields
    assert drafted(text=text, attachments=["https://example.com/a.pdf"]).attachments == []


@pytest.mark.parametrize("text", [f"{INVISIBLE}.", "👩\u200d👧", "\u200bא"])
def test_text_with_a_visible_character_stays_as_given(text):
    assert drafted(text=text).fields["text"] == text


@pytest.mark.parametrize(
    "moment",
    [
        "2090-05-14t12:00:00z",
        "2090-05-14 12:00:00Z",
        "2090-05-14T12:00:00.123456789Z",
        "2090-05-14T12:00:00-00:00",
        "1990-12-31T15:59:60-08:00",
    ],
)
def test_time_in_any_form_of_rfc_3339_is_taken_as_given(moment):
    assert drafted(sendAt=moment).fields["sendAt"] == moment


@pytest.mark.parametrize(
    "moment",
    ["2090-05-14T24:00:00Z", "2090-05-14T12:00:00+2400", "2090-05-14T12:00:00+05:60", "2090-05-14T12:00:60Z",
     "2090-05-14T12:00:00", "2090-05-14", "2090-02-30T12:00:00Z", "1" * 100, "z"],
)  # fmt: skip
def test_text_that_is_not_a_time_is_refused_with_an_example(moment):
    assert "write it like 2026-05-14T12:00:00Z" in wrong(HELLO | {"sendAt": moment})["sendAt"]
