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
    "lang", "meth", "compression", "__proto__", "expires", "redelivered", "roundsmanDeaths", "rungAt",
)  # fmt: skip
ENVELOPE = ("body", "content-type", "content-encoding", "headers", "properties")
PROPERTIES = ("delivery_tag", "delivery_info", "body_encoding", "correlation_id", "reply_to", "priority")
FURTHER = ("callbacks", "errbacks", "chain", "chord")

#: Celery has these in every app.
BUILT_IN = (
    "celery.accumulate", "celery.backend_cleanup", "celery.chain", "celery.chord", "celery.chord_unlock",
    "celery.chunks", "celery.group", "celery.map", "celery.starmap",
)  # fmt: skip

#: What Celery's JSON may hold beyond JSON's own types; and what only looks so.
TYPES = ("datetime", "date", "time", "decimal", "uuid", "bytes", "base64", "x", 5, None, ["datetime"])
TYPED = (
    "2090-01-01T00:00:00",
    "2090-01-01T00:00:00+00:00",
    "1.10",
    "NaN",
    {"hex": "0" * 32},
    "QQ==",
    5,
    None,
)

TIMES = (
    "2001-01-01T00:00:00", "2001-01-01T00:00:00+00:00", "2999-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59",
    "", "x", 0, 1, -1, 1e300, True, [], {}, "2001-01-01",
)  # fmt: skip

#: kombu has a list of its own for each priority of a queue.
PRIORITY = "\x06\x16"

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


def protocol_1(chance: Random) -> dict[str, Any]:
    """A task as the first version of Celery's protocol has it: all of it in the body."""
    return {
        "task": "tasks.accept", "id": str(uuid.uuid4()), "args": [malformed(chance) | VIA], "kwargs": {},
        "retries": 0, "eta": None, "expires": None, "utc": True, "callbacks": None, "errbacks": None,
        "timelimit": [None, None], "taskset": None, "chord": None,
    }  # fmt: skip


def _first_protocol(chance: Random) -> Entry:
    task = protocol_1(chance)
    for _ in range(chance.choice((0, 1, 1, 2))):
        name = chance.choice(("task", "id", "kwargs", "retries", "timelimit", "utc", "taskset", *FURTHER))
        task[name] = chance.choice((*WRONG_TYPES, *ODD))
    if isinstance(task["kwargs"], dict) and task["kwargs"]:
        task["kwargs"] = {}  # it would be a second Message
    entry = envelope(dumps(task, chance))
    entry["headers"] = chance.choice(({}, {}, None, {"lang": "py"}, {"id": "x"}))
    if chance.random() < 0.2:
        del entry["headers"]
    return Entry("the first protocol", dumps(entry, chance))


def _option(chance: Random) -> Entry:
    """What Celery would do something about: discard it, run another task, run it later."""
    name, given = chance.choice((
        ("expires", chance.choice(TIMES)),
        ("eta", chance.choice(TIMES)),
        ("task", chance.choice((*BUILT_IN, "tasks.refuse", "tasks.none", "__init__", 5, None, ["x"]))),
        ("id", chance.choice((*WRONG_TYPES, *ODD))),
        ("chord", {"task": "celery.chord"}),
    ))  # fmt: skip
    if chance.random() < 0.5:
        task = {**protocol_1(chance), name: given}
        entry = envelope(dumps(task, chance))
        entry["headers"] = {}
    else:
        entry = envelope(dumps([[malformed(chance) | VIA], {}, None], chance))
        entry["headers"][name] = given
    return Entry("an option of Celery's", dumps(entry, chance))


def _embedded(chance: Random) -> Entry:
    odd = {"id": 5, "args": [], "is_eager": True}
    third = chance.choice((*WRONG_TYPES, odd, {"callbacks": [5]}, value(chance)))
    body = dumps([[malformed(chance) | VIA], {}, third], chance)
    return Entry("an odd third part", json.dumps(envelope(body)).encode())


def _typed(chance: Random) -> Entry:
    message: dict[str, Any] = malformed(chance) | VIA
    message[chance.choice(("sendAt", "text", "vehicle"))] = {
        "__type__": chance.choice(TYPES), "__value__": chance.choice(TYPED),
    }  # fmt: skip
    return Entry("a type of Celery's", json.dumps(envelope(dumps([[message], {}, {}], chance))).encode())


def _lacking(chance: Random) -> Entry:
    entry = envelope(dumps([[malformed(chance) | VIA], {}, {}], chance))
    del entry[chance.choice(ENVELOPE)]
    for name in chance.sample(PROPERTIES, 2) if "properties" in entry else ():
        if name != "body_encoding":
            entry["properties"].pop(name, None)
    return Entry("something missing", dumps(entry, chance))


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
    (10, _first_protocol), (10, _option), (5, _embedded), (5, _typed), (4, _lacking), (0.5, _bomb),
)  # fmt: skip


def entry(chance: Random) -> Entry:
    """Any of them, now and then on another queue than its own, or with a priority."""
    [(_, make)] = chance.choices(KINDS, [weight for weight, _ in KINDS])
    made = make(chance)
    if chance.random() < 0.15:
        queue = chance.choice(
            (*ALL_QUEUES, *(f"{queue}{PRIORITY}{n}" for queue in ALL_QUEUES for n in (3, 9)))
        )
        return Entry(made.kind, made.sent, queue, made.rows)
    return made
