"""Queue entries that are wrong, as bytes, and what has to become of each."""

import base64
import json
import uuid
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from messages.queues import ALL_QUEUES, INTAKE_QUEUE, MAX_ENTRY_BYTES
from tests.fuzz.messages import dumps, malformed, not_a_message
from tests.fuzz.values import ODD, TEMPLATES, WRONG_TYPES, value

HEADERS = (
    "id", "task", "eta", "retries", "timelimit", "root_id", "parent_id", "group", "group_index", "shadow",
    "argsrepr", "kwargsrepr", "origin", "ignore_result", "replaced_task_nesting", "stamps", "stamped_headers",
    "lang", "meth", "compression", "__proto__",
)  # fmt: skip
ENVELOPE = ("body", "content-type", "content-encoding", "headers", "properties")
PROPERTIES = ("delivery_tag", "delivery_info", "body_encoding", "correlation_id", "reply_to", "priority")
FURTHER = ("callbacks", "errbacks", "chain", "chord")

#: A Message that came this way says so.
VIA = {"via": "queue"}


@dataclass(frozen=True, slots=True)
class Entry:
    """What is pushed; `rows` of it have to be accepted or kept as refused."""

    kind: str
    sent: bytes
    queue: str = INTAKE_QUEUE
    rows: int = 1


def envelope(body: bytes, task: str = "tasks.accept") -> dict[str, Any]:
    """As Celery has it."""
    task_id = str(uuid.uuid4())
    return {
        "body": base64.b64encode(body).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": task, "id": task_id, "root_id": task_id, "retries": 0},
        "properties": {
            "correlation_id": task_id,
            "delivery_tag": task_id,
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": INTAKE_QUEUE},
            "body_encoding": "base64",
        },
    }


def good(message: dict[str, Any]) -> bytes:
    """One that is right."""
    return json.dumps(envelope(json.dumps([[message | VIA], {}, {}]).encode())).encode()


def _message(chance: Random) -> Entry:
    body = dumps([[malformed(chance) | VIA], {}, {}], chance)
    return Entry("a wrong field", json.dumps(envelope(body)).encode())


def _arguments(chance: Random) -> Entry:
    given = (*WRONG_TYPES, *ODD, *TEMPLATES)
    arguments = [chance.choice(given) for _ in range(chance.choice((0, 1, 1, 2, 5)))]
    named = {} if chance.random() < 0.7 else {chance.choice((*ODD, "self")): chance.choice(given)}
    all_of_it = [*arguments, *([named] if named else [])]
    is_list = len(all_of_it) == 1 and isinstance(all_of_it[0], list)
    rows = len(all_of_it[0]) if is_list else max(1, len(all_of_it))
    rows = 1 if "self" in named else rows
    return Entry(
        "wrong arguments",
        json.dumps(envelope(json.dumps([arguments, named, {}]).encode())).encode(),
        rows=rows,
    )


def _shape(chance: Random) -> Entry:
    good = malformed(chance) | VIA
    body = chance.choice((
        lambda: not_a_message(chance),
        lambda: dumps(chance.choice(WRONG_TYPES[:6]), chance),
        lambda: dumps([chance.choice((5, None, "x", {})), {}, {}], chance),
        lambda: dumps([[good], chance.choice((5, None, "x", [])), {}], chance),
        lambda: dumps([[good], {}, {chance.choice(FURTHER): chance.choice((5, "x", [good]))}], chance),
        lambda: b"",
    ))()  # fmt: skip
    return Entry("a wrong body", json.dumps(envelope(body)).encode())


def _header(chance: Random) -> Entry:
    entry = envelope(dumps([[malformed(chance) | VIA], {}, {}], chance))
    entry["headers"][chance.choice(HEADERS)] = value(chance)
    return Entry("an odd header", dumps(entry, chance))


def _envelope(chance: Random) -> Entry:
    entry = envelope(dumps([[malformed(chance) | VIA], {}, {}], chance))
    odd = value(chance)
    if chance.random() < 0.5:
        entry["properties"][chance.choice(PROPERTIES)] = odd
    elif chance.random() < 0.5:
        entry[chance.choice(ENVELOPE)] = odd
    else:
        entry["content-type"] = chance.choice(
            ("application/x-python-serialize", "application/x-yaml", "x", "")
        )
    return Entry("an odd envelope", dumps(entry, chance))


def _bytes(chance: Random) -> Entry:
    whole = json.dumps(envelope(dumps([[malformed(chance) | VIA], {}, {}], chance)[:50_000])).encode()
    if chance.random() < 0.5:
        return Entry("cut off", whole[: chance.randrange(1, len(whole) - 1)])
    return Entry(
        "no JSON", chance.choice((chance.randbytes(200), b"[" * 100_000, b"null", b"[]", b"{}", b"\xff"))
    )


def _send(chance: Random) -> Entry:
    ids = chance.choice(([5], "abc", None, [["a"]], {"a": 1}, ["\0"], ["\ud800"], ["x"] * 5000, ["\u202e"]))
    task, queue = chance.choice((("tasks.send_sms", "sms"), ("tasks.send_email", "email")))
    return Entry(
        "ids that are none", json.dumps(envelope(dumps([[ids], {}, {}], chance), task)).encode(), queue
    )


def _bomb(chance: Random) -> Entry:
    shape = chance.randrange(4)
    if shape == 0:
        entry = envelope(zlib.compress(bytes(20_000_000)))
        entry["headers"]["compression"] = chance.choice(("zlib", "gzip", "application/x-gzip"))
        return Entry("a bomb", json.dumps(entry).encode())
    if shape == 1:
        return Entry(
            "a great many values", json.dumps(envelope(b"[[[" + b"{}," * 1_000_001 + b"{}]],{},{}]")).encode()
        )
    if shape == 2:
        return Entry("a great many values", b'{"body": [' + b"{}," * 1_000_001 + b"{}]}")
    return Entry("too large", b'{"body": "' + b"x" * MAX_ENTRY_BYTES + b'"}')


KINDS: tuple[tuple[float, Callable[[Random], Entry]], ...] = (
    (35, _message), (15, _arguments), (12, _shape), (12, _header), (12, _envelope), (10, _bytes), (5, _send),
    (0.5, _bomb),
)  # fmt: skip


def entry(chance: Random) -> Entry:
    """Any of them, now and then on another queue than its own."""
    [(_, make)] = chance.choices(KINDS, [weight for weight, _ in KINDS])
    made = make(chance)
    if chance.random() < 0.1:
        return Entry(made.kind, made.sent, chance.choice(ALL_QUEUES), made.rows)
    return made
