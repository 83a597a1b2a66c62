"""Time: an instant is an `int`, milliseconds since the epoch in UTC, everywhere but at the edges."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

#: Gives the present instant. Injected, so that tests can set the time.
Clock = Callable[[], int]

#: No time is longer, in characters.
_MAX_LENGTH = 60

#: Where Pythons differ, or take what is not a time: an hour 24, an offset with 60 minutes and more.
_WRONG = re.compile(r".{10}.24.*|.*[+-][0-9]{2}:?[6-9][0-9]", re.DOTALL)

#: A leap second, which RFC 3339 allows at the end of a UTC day.
_LEAP_SECOND = re.compile(r"(.{10}.[0-9]{2}:[0-9]{2}:)60(.*)", re.DOTALL)


def system_clock() -> int:
    """The machine's clock, in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


@lru_cache(1000)  # what was accepted together shares its instants, and each is shown several times
def to_iso(instant: int | None) -> str | None:
    """`1684065600000` → `2023-05-14T12:00:00.000Z`; None stays None."""
    if instant is None:
        return None
    text = datetime.fromtimestamp(instant / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


@lru_cache(1000)  # likewise
def from_iso(text: str) -> int:
    """`2023-05-14T12:00:00Z` → `1684065600000`: RFC 3339, also with `t`, `z` or a blank, and ISO 8601.

    A leap second is the second after it. Raises ValueError, also where the offset is missing, and
    OverflowError for what has no year of four digits in UTC, and could not be shown again.
    """
    leap = _LEAP_SECOND.fullmatch(text)
    moment = _moment(f"{leap[1]}59{leap[2]}") if leap else _moment(text)
    if leap:
        if (moment.hour, moment.minute) != (23, 59):
            raise ValueError("has a leap second that is not at the end of a day in UTC")
        moment += timedelta(seconds=1)
    return int(moment.timestamp() * 1000)


def _moment(text: str) -> datetime:
    if len(text) > _MAX_LENGTH or _WRONG.fullmatch(text):
        raise ValueError("is not a time")
    moment = datetime.fromisoformat(text.upper())
    if moment.tzinfo is None:
        raise ValueError("has no time zone")
    return moment.astimezone(UTC)
