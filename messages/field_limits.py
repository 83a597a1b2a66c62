"""Limits on the size of one Message's fields: a Message posted in a second must not take minutes to send."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from messages.errors import ErrorType, InvalidMessage
from messages.relations import Objects, path_of
from messages.settings import Settings


@dataclass(frozen=True, slots=True)
class FieldLimits:
    """Sizes in bytes of UTF-8; objects and fields as JSON. Each is a setting of the same name."""

    text_bytes: int = 200_000
    object_bytes: int = 65_536  #: of each related object, without those that it holds
    fields_bytes: int = 1_000_000  #: of all fields together, without the content of attachments
    nesting: int = 50  #: of objects and lists within each other

    @classmethod
    def from_settings(cls, settings: Settings) -> "FieldLimits":
        """As the settings say."""
        return cls(
            settings.max_text_bytes,
            settings.max_object_bytes,
            settings.max_fields_bytes,
            settings.max_nesting,
        )

    def check_text(self, text: str | None) -> None:
        """Check the size of `text`. Raises InvalidMessage."""
        if text and len(text) * 4 > self.text_bytes and (size := len(text.encode())) > self.text_bytes:
            raise _too_large("text", size, self.text_bytes, "MAX_TEXT_BYTES")

    def check_fields(self, fields: Mapping[str, Any], size: int) -> None:
        """`size`: of the fields as JSON, the content of attachments included. Raises InvalidMessage."""
        if size <= self.fields_bytes or (size := len(orjson.dumps(fields))) <= self.fields_bytes:
            return
        sizes = {name: len(orjson.dumps(value)) for name, value in fields.items()}
        largest = max(sizes, key=lambda name: sizes[name])
        reason = (
            f"has {sizes[largest]:,} of the {size:,} bytes of JSON that all fields have together; "
            f"at most {self.fields_bytes:,} are allowed (MAX_FIELDS_BYTES)"
        )
        raise InvalidMessage(f"{largest[:60]}: {reason}", {largest[:60]: reason}, ErrorType.TOO_LARGE)

    def check_objects(self, objects: Objects, fields: Mapping[str, Any], size: int) -> None:
        """`size`: of all fields; `fields`: with the objects inline. Raises InvalidMessage."""
        if size <= self.object_bytes:
            return
        for key, body in objects.items():
            if (large := len(orjson.dumps(body))) > self.object_bytes:
                raise _too_large(path_of(fields, key), large, self.object_bytes, "MAX_OBJECT_BYTES")

    def check_merged(self, objects: Objects, known: Objects, fields: Mapping[str, Any]) -> None:
        """Check related objects as merged with the stored ones. Raises InvalidMessage."""
        for key in objects.keys() & known.keys():
            merged = merge(known[key], objects[key], self.object_bytes)
            if merged is None:
                size = len(orjson.dumps(known[key] | objects[key]))
                reason = (
                    f"would have {size:,} bytes when merged with the stored {key[1]!r}; at most "
                    f"{self.object_bytes:,} are allowed (MAX_OBJECT_BYTES)"
                )
                path = path_of(fields, key)
                raise InvalidMessage(f"{path}: {reason}", {path: reason}, ErrorType.TOO_LARGE)


def merge(kept: dict[str, Any], given: dict[str, Any], object_bytes: int | None) -> dict[str, Any] | None:
    """The kept object with the given fields; None if that is too large, and larger than the kept one."""
    merged = kept | given
    if object_bytes is None or merged == kept:
        return merged
    size = len(orjson.dumps(merged))
    return None if size > object_bytes and size > len(orjson.dumps(kept)) else merged


def _too_large(field: str, size: int, limit: int, setting: str) -> InvalidMessage:
    reason = f"has {size:,} bytes; at most {limit:,} are allowed ({setting})"
    return InvalidMessage(f"{field}: {reason}", {field: reason}, ErrorType.TOO_LARGE)
