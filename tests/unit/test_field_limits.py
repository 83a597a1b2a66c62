"""What exceeds a limit is refused with its size, the limit and the setting; the limit itself is allowed."""

import base64

import orjson
import pytest

from messages.attachments import AttachmentLimits
from messages.draft import draft
from messages.errors import ErrorType, InvalidMessage
from messages.field_limits import FieldLimits, merge
from messages.relations import path_of
from tests.conftest import CATALOGUE

HELLO = {"externalEmail": "dana@example.com"}
LIMITS = FieldLimits(text_bytes=100, object_bytes=200, fields_bytes=1000, nesting=5)


def drafted(**fields):
    return draft(HELLO | fields, CATALOGUE, AttachmentLimits(3, 10_000), field_limits=LIMITS)


def refused(**fields) -> dict[str, str]:
    with pytest.raises(InvalidMessage) as raised:
        drafted(**fields)
    assert raised.value.type is ErrorType.TOO_LARGE
    return raised.value.fields


@pytest.mark.parametrize("text", ["x" * 100, "é" * 50, "👍" * 25])
def test_text_is_measured_in_bytes(text):
    assert drafted(text=text).fields["text"] == text
    assert refused(text=text + "!") == {"text": "has 101 bytes; at most 100 are allowed (MAX_TEXT_BYTES)"}


@pytest.mark.parametrize("name", ["lead", "salesRep", "agent"])
def test_related_object_is_measured_alone(name):
    body = {"id": "x", "note": ""}
    body["note"] = "n" * (200 - len(orjson.dumps(body)))
    assert drafted(text="Hi", **{name: body}).objects
    large = body | {"note": body["note"] + "n"}
    assert refused(text="Hi", **{name: large}) == {
        name: "has 201 bytes; at most 200 are allowed (MAX_OBJECT_BYTES)"
    }


def test_nested_related_object_is_named_by_its_path():
    nested = {"name": "Dana", "salesRep": {"agent": {"note": "n" * 300}}}
    assert list(refused(text="Hi", lead=nested)) == ["lead.salesRep.agent"]
    assert path_of({"lead": "lead-1"}, ("agents", "a")) == "agents"


def test_fields_are_measured_together_without_the_content_of_attachments():
    content = base64.b64encode(bytes(3000)).decode()
    uri = f"data:text/plain;base64,{content}"
    assert drafted(text="Hi", attachments=[{"content": content}, uri]).attachments
    [(field, reason)] = refused(text="Hi", vehicle="v" * 900, other="o" * 50).items()
    assert field == "vehicle"
    assert "902 of the 1,0" in reason
    assert "at most 1,000 are allowed (MAX_FIELDS_BYTES)" in reason


def test_nesting_beyond_the_limit_is_refused():
    with pytest.raises(InvalidMessage, match="is nested 6 levels deep; at most 5 are allowed"):
        drafted(text="Hi", vehicle=[[[[[[]]]]]])


def test_merged_object_may_not_grow_beyond_the_limit_but_may_shrink():
    kept = {"id": "x", "a": "1" * 100}
    assert merge(kept, {"b": "2"}, 150) == kept | {"b": "2"}
    assert merge(kept, {"b": "2" * 100}, 150) is None
    assert merge(kept, {"b": "2" * 100}, None) is not None
    large = {"id": "x", "a": "1" * 500}
    assert merge(large, {"a": "1" * 400}, 150) == {"id": "x", "a": "1" * 400}
    assert merge(large, {"b": "2"}, 150) is None
