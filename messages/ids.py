"""Ids: time-ordered where Roundsman makes them up, derived from content where repeats must be one."""

import hashlib
import secrets
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no letter looks like a digit


def new_id(prefix: str) -> str:
    """`msg_01hzy…`: 48 bits of time, then 80 random bits, so that ids sort by age."""
    number = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return f"{prefix}_{_base32(number)}"


def content_id(prefix: str, content: bytes) -> str:
    """The same content gives the same id."""
    return f"{prefix}_{_base32(int.from_bytes(hashlib.sha256(content).digest()[:16]))}"


def _base32(number: int) -> str:
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
