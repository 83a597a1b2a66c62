"""Time: an instant is an `int`, milliseconds since the epoch in UTC, everywhere but at the edges."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache

#: Gives the present instant. Injected, so that tests can set the time.
Clock = Callable[[], int]


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


def from_iso(text: str) -> int:
    """`2023-05-14T12:00:00Z` → `1684065600000`. Raises ValueError, also where the offset is missing.

    Raises OverflowError for what has no year of four digits in UTC, and could not be shown again.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("has no time zone")
    return int(moment.astimezone(UTC).timestamp() * 1000)
