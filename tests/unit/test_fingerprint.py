"""The fingerprint is one for all spellings of a content, and another for any other content."""

import hashlib

import orjson
import pytest

from messages.fingerprint import first_fingerprint, is_same
from tests.conftest import CATALOGUE
from tests.unit.test_draft import HELLO, LIMITS, draft


def fingerprint_of(**fields) -> str:
    return draft(HELLO | fields, CATALOGUE, LIMITS).fingerprint


INSTANT = [
    "2090-01-01T00:00:00Z",
    "2090-01-01T00:00:00.000Z",
    "2090-01-01T00:00:00+00:00",
    "2090-01-01t00:00:00z",
    "2090-01-01T05:30:00+05:30",
    "2089-12-31T19:00:00-05:00",
    "2090-01-01 00:00:00-00:00",
    "2089-12-31T23:59:60Z",
]


@pytest.mark.parametrize(
    ("field", "spellings"),
    [
        ("sendAt", INSTANT),
        ("expiresAt", INSTANT),
        ("price", [24990, 24990.0, 2.499e4]),
        ("price", [0, 0.0, -0.0]),
        ("vehicle", [{"prices": [1, {"was": 2}]}, {"prices": [1.0, {"was": 2.0}]}]),
        ("text", ["a\nb\n\nc", "a\r\nb\r\n\r\nc", "a\rb\r\rc", "a\r\nb\n\rc"]),
        ("note", [{"lines": "a\nb"}, {"lines": "a\r\nb"}]),
        ("v", [{"b": 1}, {"a": None, "b": 1}, {"b": 1, "c": None}]),
        ("v", [[{"deep": {}}], [{"deep": {"a": None}}]]),
        ("lead", [{"id": "l", "name": "Dana"}, {"name": "Dana", "id": "l", "phone": None}]),
        ("externalPhoneNumber", ["804-222-1111", "+1 (804) 222-1111"]),
        ("externalEmail", ["dana@example.com", "dana@EXAMPLE.com"]),
        ("agent", [None]),
    ],
)
def test_fingerprint_is_the_same_for_another_spelling(field, spellings):
    assert len({fingerprint_of(**{field: spelling}) for spelling in spellings}) == 1


@pytest.mark.parametrize(
    ("field", "one", "other"),
    [
        ("sendAt", "2090-01-01T00:00:00Z", "2090-01-01T00:00:00.001Z"),
        ("price", 24990, 24990.01),
        ("price", 24990, "24990"),
        ("price", 1, True),
        ("list", [1, 2], [2, 1]),
        ("list", [1, None, 2], [1, 2]),
        ("text", "a\nb", "a\n\nb"),
        ("v", {}, None),
    ],
)
def test_fingerprint_differs_for_other_content(field, one, other):
    assert fingerprint_of(**{field: one}) != fingerprint_of(**{field: other})


def test_fingerprint_fits_its_column_and_says_its_version():
    assert len(fingerprint_of()) == 64
    assert fingerprint_of().startswith("2:")


def test_fingerprint_of_the_first_version_is_as_it_was_stored():
    fields = {"id": "order-1", "text": "a\r\nb", "price": 1.0, "v": {"a": None}}
    written = b'{"price":1.0,"text":"a\\r\\nb","v":{"a":null}}'
    assert first_fingerprint(fields) == hashlib.sha256(written).hexdigest()
    assert is_same(hashlib.sha256(written).hexdigest(), "2:other", fields)
    assert not is_same("0" * 64, "2:other", fields)
    assert not is_same("2:" + "0" * 62, "2:other", fields)
    assert orjson.loads(written) == {name: value for name, value in fields.items() if name != "id"}
