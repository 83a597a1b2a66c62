"""Durations as people write them: `90s`, `30m`, `2h`, `7d`."""

import re

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"([0-9]{1,9})([smhd])")
_LONGEST = 3650 * 86_400


def to_seconds(text: str) -> int:
    """`2h` → 7200. Raises ValueError, in one sentence."""
    found = _DURATION.fullmatch(text.strip())
    if found is None or int(found[1]) == 0:
        raise ValueError(f"{text[:60]!r} is not a duration; write it like 90s, 30m, 2h or 7d")
    seconds = int(found[1]) * _SECONDS[found[2]]
    if seconds > _LONGEST:
        raise ValueError(f"{text[:60]!r} is longer than {_LONGEST // 86_400}d")
    return seconds
