"""JSON with exact numbers, and the values of it that can be stored and sent."""

import json
import math
from datetime import datetime
from decimal import ROUND_UP, Decimal
from typing import Any

import orjson

from messages.wording import shown

#: Integers that fit into 64 bits, signed or unsigned: what JSON libraries, databases and orjson agree on.
_LEAST, _MOST = -(2**63), 2**64 - 1

#: A number beyond 64 bits has so many digits, signs and points in a row.
_LONG = 20
_DIGITS = bytes(48 if chr(byte) in "0123456789.-" else 32 for byte in range(256))
_RUN = b"0" * _LONG
_SMALL = 65_536  #: bytes

#: So much of a longer number is read: enough to see that it is too large, and to show it.
_KEPT_DIGITS = 100


def parse_json(body: bytes) -> Any:
    """Parse JSON; a number that a float would change becomes a Python integer of more than 64 bits.

    orjson makes a float of such a number, without an error. Raises ValueError.
    """
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if "infinity" not in str(error):
            raise
        return _parse_exactly(body)
    # A few bytes are looked through faster than the values; megabytes are mostly one attachment's content.
    is_doubtful = _RUN in body.translate(_DIGITS) if len(body) <= _SMALL else _has_large_float(parsed)
    return _parse_exactly(body, parsed) if is_doubtful else parsed


def _has_large_float(value: object) -> bool:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            pending += item.values()
        elif isinstance(item, list):
            pending += item
        elif isinstance(item, float) and abs(item) >= -_LEAST:
            return True
    return False


def _parse_exactly(body: bytes, otherwise: object = None) -> Any:
    try:
        return json.loads(
            body.decode("utf-8"),
            parse_int=exact_integer,
            parse_float=exact_float,
            parse_constant=_refuse_constant,
        )
    except RecursionError:
        return otherwise  # nested deeper than any Message may be; refused for that


def exact_integer(text: str) -> int:
    """Return the integer; of a longer one, so much as shows that it is too large."""
    return int(text[:_KEPT_DIGITS])


def exact_float(text: str) -> float | int:
    """Return the float, where it is the number that was written; else an integer beyond 64 bits."""
    number = float(text)
    if math.isfinite(number) and abs(number) <= _MOST:
        return number
    exact = Decimal(text)
    if math.isfinite(number) and exact == Decimal(repr(number)):
        return number
    if exact.adjusted() < _KEPT_DIGITS:
        return int(exact.to_integral_value(ROUND_UP))
    beyond: int = 10**_KEPT_DIGITS
    return beyond if number > 0 else -beyond


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def inspect(value: object, max_nesting: int) -> tuple[str | None, bool]:
    """Why the value cannot be stored or sent, if it cannot; and whether it may have other spellings.

    Refused are NULs, lone surrogates, numbers that are not finite or beyond 64 bits, and deep nesting.
    Other spellings: see `messages.fingerprint`.
    """
    respelt = False
    pending = [(value, 1)]
    while pending:
        item, level = pending.pop()
        if isinstance(item, str):
            if reason := wrong_text(item):
                return reason, respelt
            respelt = respelt or "\r" in item
        elif isinstance(item, dict | list):
            if level > max_nesting:
                return f"is nested {_depth(value)} levels deep; at most {max_nesting} are allowed", respelt
            if isinstance(item, dict):
                pending.append(("".join(item), level))
                pending += [(part, level + 1) for part in item.values()]
            else:
                pending += [(part, level + 1) for part in item]
        else:
            if reason := _wrong_scalar(item):
                return reason, respelt
            respelt = respelt or item is None or (isinstance(item, float) and item.is_integer())
    return None, respelt


def _wrong_scalar(item: object) -> str | None:
    if isinstance(item, int):
        if not _LEAST <= item <= _MOST:
            return f"holds a number of more than 64 bits ({_cut(item)}); give it as a string"
    elif isinstance(item, float):
        if not math.isfinite(item):
            return f"holds {_named(item)}, which is not a JSON number"
    elif isinstance(item, datetime):  # by the queue, from Celery: see `messages.celery_types`
        return "holds a datetime without a time zone; give one, as datetime.now(UTC) has"
    elif item is not None:
        return f"holds a {type(item).__name__}, which is not a JSON value"
    return None


def wrong_text(text: str) -> str | None:
    """Why the text cannot be stored or sent, if it cannot."""
    if "\0" in text:
        return "contains the character U+0000, which cannot be delivered"
    if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
        return "contains half of a surrogate pair, which is not a character"
    return None


def _named(number: float) -> str:
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def _cut(number: int) -> str:
    if abs(number) >= 10**_KEPT_DIGITS:
        return f"{'-' if number < 0 else ''}1e{_KEPT_DIGITS} or larger"
    return shown(number)


def _depth(value: object) -> int:
    """How many objects and lists are within each other, level by level."""
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [part for item in level for part in (item.values() if isinstance(item, dict) else item)]
    return depth
