"""Ids: time-ordered where Roundsman makes them up, derived from content where repeats must be one."""

import hashlib
import secrets
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no letter looks like a digit
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]

_RANDOM_BYTES = 10


def new_id(prefix: str) -> str:
    """`msg_01hzy…`: 48 bits of time, then 80 random bits, so that ids sort by age."""
    return new_ids(prefix, 1)[0]


def new_ids(prefix: str, count: int) -> list[str]:
    """So many, of one time. The kernel is asked once for their random bits: that is what costs."""
    time_bits = (time.time_ns() // 1_000_000) << 80
    drawn = secrets.token_bytes(_RANDOM_BYTES * count)
    return [
        f"{prefix}_{_base32(time_bits | int.from_bytes(drawn[at : at + _RANDOM_BYTES]))}"
        for at in range(0, len(drawn), _RANDOM_BYTES)
    ]


def content_id(prefix: str, content: bytes) -> str:
    """The same content gives the same id."""
    return f"{prefix}_{_base32(int.from_bytes(hashlib.sha256(content).digest()[:16]))}"


def _base32(number: int) -> str:
    """26 digits, two at a time."""
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)])
