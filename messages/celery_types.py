"""The types that Celery's JSON carries beyond JSON's own, as kombu writes them: `{"__type__", "__value__"}`.

| in Python | in the Message |
| --- | --- |
| `datetime` with a time zone, `date`, `time` | ISO 8601 text |
| `datetime` without a time zone | refused: nobody knows which instant it means |
| `Decimal` | a number where that has exactly the same value, else text |
| `UUID` | text |
| `bytes` | refused: give text, or base64 |
"""

import base64
import json
from collections.abc import Callable
from datetime import datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from messages.errors import InvalidMessage
from messages.wording import shown

_MARKED = {"__type__", "__value__"}


def from_celery(given: dict[str, Any]) -> Any:
    """Return the value that kombu marked with its type, any other object as it is: a hook for json.loads.

    What is refused stays a Python object, which no Message may hold. Raises InvalidMessage.
    """
    if given.keys() != _MARKED:
        return given
    kind, value = given["__type__"], given["__value__"]
    read = _READ.get(kind) if isinstance(kind, str) else None
    if read is None:
        raise InvalidMessage(f"it holds a value of the type {shown(kind)}, which is not JSON; give its text")
    try:
        return read(value)
    except (ArithmeticError, AttributeError, TypeError, ValueError):
        raise InvalidMessage(f"it holds a {kind} that is not one: {shown(value)}") from None


def to_json(given: object) -> str:
    """Write JSON, with what `from_celery` left as a Python object marked as kombu does. NaN stays NaN.

    Raises TypeError, ValueError or RecursionError for what JSON cannot hold.
    """
    text = json.dumps(given, ensure_ascii=False, separators=(",", ":"), default=_marked)
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which is only JSON when it is escaped
        return json.dumps(given, separators=(",", ":"), default=_marked)
    return text


def _marked(value: object) -> dict[str, str]:
    if isinstance(value, bytes):
        return {"__type__": "base64", "__value__": base64.b64encode(value).decode()}
    if isinstance(value, datetime):
        return {"__type__": "datetime", "__value__": value.isoformat()}
    raise TypeError(type(value).__name__)


def _datetime(value: str) -> str | datetime:
    at = datetime.fromisoformat(value)
    return at if at.tzinfo is None else at.isoformat()


def _decimal(value: str) -> int | float | str:
    try:
        exact = Decimal(value)
    except InvalidOperation:
        raise ValueError(value) from None
    if not exact.is_finite():
        return float(exact)  # NaN or Infinity, which is refused like any other
    if exact.as_tuple().exponent == 0 and abs(exact) < 2**63:
        return int(exact)
    number = float(exact)
    return number if Decimal(repr(number)) == exact else str(exact)


_READ: dict[str, Callable[[Any], Any]] = {
    "datetime": _datetime,
    "date": lambda value: datetime.fromisoformat(value).date().isoformat(),
    "time": lambda value: time.fromisoformat(value).isoformat(),
    "decimal": _decimal,
    "uuid": lambda value: str(UUID(**value)),
    "bytes": lambda value: value.encode(),
    "base64": base64.b64decode,
}
