"""Messages with a value that should not stand there, as JSON; and JSON that is none."""

import json
from random import Random
from typing import Any

from tests.fuzz.values import INJECTED, Raw, attachments, value

ADDRESSES = ("externalPhoneNumber", "internalPhoneNumber", "externalEmail", "internalEmail")
FIELDS = (
    *ADDRESSES, "id", "agent", "lead", "salesRep", "text", "templateType", "template", "sendAt", "expiresAt",
    "status", "deliveries", "events", "vehicle", "__class__", "constructor",
)  # fmt: skip


def dumps(given: Any, chance: Random) -> bytes:
    """JSON in which a `Raw` stands as it is, and lone surrogates stay what they are."""
    raws: list[str] = []

    def mark(item: Any) -> Any:
        if isinstance(item, Raw):
            raws.append(item)
            return f"<raw{len(raws) - 1}>"
        if isinstance(item, dict):
            return {name: mark(part) for name, part in item.items()}
        return [mark(part) for part in item] if isinstance(item, list) else item

    text = json.dumps(mark(given), ensure_ascii=chance.random() < 0.7)
    for number, raw in enumerate(raws):
        text = text.replace(f'"<raw{number}>"', raw, 1)
    return text.encode("utf-8", "surrogatepass")


def malformed(chance: Random) -> dict[str, Any]:
    """A Message that would be good, but for one to three of its fields."""
    message: dict[str, Any] = {
        "externalPhoneNumber": f"804-222-{chance.randrange(10_000):04}",
        "externalEmail": f"dana{chance.randrange(10**9)}@example.com",
        "text": "Hello",
    }
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        if chance.random() < 0.12:
            message["attachments"] = attachments(chance)
        else:
            message[chance.choice(FIELDS)] = value(chance)
    if chance.random() < 0.05:
        message = {name: value(chance) for name in FIELDS}
    return message


def not_a_message(chance: Random) -> bytes:
    """JSON that is none, or no object."""
    good = dumps(malformed(chance), chance)[:200_000]
    number = chance.choice(("NaN", "1e999", "9" * 5000, "-", "0x1"))
    return chance.choice((
        lambda: good[: chance.randrange(len(good))],
        lambda: good + chance.choice((b"x", b"{}", b"\0", b"]", b",")),
        lambda: b'{"text": "a", "text": 5, "text": {"text": []}, "externalEmail": "a@b.example"}',
        lambda: b"\xef\xbb\xbf" + good,
        lambda: good.decode("utf-8", "replace").encode("utf-16"),
        lambda: b'{"text": "\xff\xfe\xed\xa0\x80", "externalEmail": "a@b.example"}',
        lambda: b'{"text": ' + number.encode() + b"}",
        lambda: b"[" * chance.choice((1000, 100_000)),
        lambda: b'{"a":' * 100_000,
        lambda: chance.choice((b"", b" ", b"null", b"[]", b"5", b'"text"', b"true", b"\0")),
        lambda: b'{"vehicle": [' + b"{}," * chance.choice((100_000, 300_000)) + b"{}]}",
        lambda: json.dumps([{"to": INJECTED}] * 10_000).encode(),
        lambda: chance.randbytes(chance.choice((1, 100, 10_000))),
    ))()  # fmt: skip
