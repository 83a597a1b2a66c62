"""The fingerprint of a Message: the same for the same content, however a producer's library spells it.

These spellings are one: an instant with another offset or other fractions (`sendAt`, `expiresAt`), 24990 and
24990.0 and 2.499e4, the ends of lines, a null and a member left out of an object, the order of members. The
order of a list is content.
"""

import hashlib
from typing import Any

import orjson

from messages.clock import from_iso

#: What a fingerprint of this algorithm begins with. One without it was stored before there were versions.
_VERSION = "2:"

_DIGITS = 64 - len(_VERSION)  # the column has 64 characters

_INSTANTS = ("sendAt", "expiresAt")


def fingerprint(fields: dict[str, Any], *, respelt: bool) -> tuple[str, int]:
    """The fingerprint, and the size of the fields as JSON, in bytes. `fields` have passed all checks.

    `respelt`: whether any value has other spellings, see `json_values.inspect`; most Messages have none.
    """
    content = {name: value for name, value in fields.items() if name != "id"}
    if respelt:
        content = _canonical(content)
    for name in _INSTANTS:
        if name in content:
            content[name] = from_iso(content[name])
    written = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    return _VERSION + hashlib.sha256(written).hexdigest()[:_DIGITS], len(written)


def is_same(stored: str, present: str, fields: dict[str, Any]) -> bool:
    """Whether a stored fingerprint, of this algorithm or the first, is that of these fields."""
    return stored == present or (not stored.startswith(_VERSION) and stored == first_fingerprint(fields))


def first_fingerprint(fields: dict[str, Any]) -> str:
    """The fingerprint as the first algorithm made it. Stored ones are compared with it: never change it."""
    content = {name: value for name, value in fields.items() if name != "id"}
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _canonical(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\r\n", "\n").replace("\r", "\n") if "\r" in value else value
    if isinstance(value, dict):
        return {name: _canonical(part) for name, part in value.items() if part is not None}
    if isinstance(value, list):
        return [_canonical(part) for part in value]
    if isinstance(value, float) and value.is_integer() and -(2**63) <= value < 2**64:
        return int(value)
    return value
