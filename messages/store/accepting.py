"""Accepting: new Messages with all that belongs to them, in one transaction, each id once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import orjson
from sqlalchemy import Connection, Table, false, or_, select

from messages.delivery import Lane, Route
from messages.draft import Draft
from messages.errors import Conflict, FieldWarning
from messages.ids import new_ids
from messages.states import DeliveryState
from messages.store import inserting, reading, related
from messages.store.inserting import Inserted
from messages.store.reading import Stored
from messages.store.recording import rung_before
from messages.store.schema import deliveries, events, messages


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A Draft with its id and its Routes: ready to be stored."""

    id: str
    draft: Draft
    routes: Sequence[Route]
    send_at: int | None = None  #: ms since the epoch; None: now
    expires_at: int | None = None  #: ms since the epoch; None: never
    warnings: Sequence[FieldWarning] = ()


@dataclass(frozen=True, slots=True)
class Accepted:
    """A Message that is in the store. `waiting` are the Deliveries to enqueue: none for a repeat."""

    message_id: str
    is_new: bool
    #: As it is, known before the COMMIT: nobody has to read it back, when the store may be away.
    stored: Stored = field(compare=False, repr=False)
    waiting: tuple[tuple[str, Lane], ...] = ()
    rung_at: int = 0  #: what `waiting` have for the time at which they are enqueued, ms since the epoch


def accept(
    tx: Connection, entries: Sequence[NewMessage], now: int, object_bytes: int | None = None
) -> list[Accepted | Conflict]:
    """Store those that are new; find those that repeat. Results are in the order of `entries`."""
    ids = iter(new_ids("dlv", sum(len(entry.routes) for entry in entries)))
    own = [(_message_row(entry, now), _delivery_rows(entry, ids, now)) for entry in entries]
    created = inserting.insert(tx, own)
    new = [entry for position, entry in enumerate(entries) if position in created]
    related.keep_objects(tx, [entry.draft.objects for entry in new], now, object_bytes)
    related.keep_attachments(tx, [a for entry in new for a in entry.draft.attachments], now)
    repeats = _find_repeats(tx, [entry for position, entry in enumerate(entries) if position not in created])
    return [
        _accepted(*own[position], now) if position in created else _repeat(entry, repeats)
        for position, entry in enumerate(entries)
    ]


def knows(tx: Connection, message_id: str | None, idempotency_key: str | None) -> bool:
    """Whether a Message has this id, or this key."""
    given = {messages.c.id: message_id, messages.c.idempotency_key: idempotency_key}
    same = or_(false(), *(column == value for column, value in given.items() if value is not None))
    return tx.execute(select(messages.c.id).where(same).limit(1)).first() is not None


def _message_row(entry: NewMessage, now: int) -> Inserted:
    draft = entry.draft
    inline = {"/".join(key): body for key, body in draft.objects.items()}
    return {
        "id": entry.id,
        "idempotency_key": draft.idempotency_key,
        "fingerprint": draft.fingerprint,
        "template": draft.template.path,
        "fields": orjson.dumps(draft.fields).decode(),
        "objects": orjson.dumps(inline).decode() if inline else None,
        "status": _first_state(entry),
        "created_at": now,
        "warnings": orjson.dumps(entry.warnings).decode() if entry.warnings else None,
    }


def _first_state(entry: NewMessage) -> DeliveryState:
    return DeliveryState.SCHEDULED if entry.send_at else DeliveryState.QUEUED


def _delivery_rows(entry: NewMessage, ids: Iterator[str], now: int) -> list[Inserted]:
    return [
        {
            "id": next(ids),
            "message_id": entry.id,
            "channel": route.channel,
            "lane": Lane.of(route.channel, bulk=entry.draft.bulk),
            "recipient": route.recipient,
            "sender": route.sender,
            "reply_to": route.reply_to,
            "state": _first_state(entry),
            "attempt": 0,
            "next_attempt_at": entry.send_at,
            "expires_at": entry.expires_at,
            "rung_at": rung_before(entry.send_at, now),
            "created_at": now,
        }
        for route in entry.routes
    ]


def _event_row(delivery: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "message_id": delivery["message_id"],
        "delivery_id": delivery["id"],
        "at": delivery["created_at"],
        "type": delivery["state"],
    }


def _accepted(message: Inserted, rows: Sequence[Inserted], now: int) -> Accepted:
    stored = Stored(
        _message_as_read(**message),
        [_delivery_as_read(**row) for row in sorted(rows, key=lambda row: row["channel"], reverse=True)],
        {row["id"]: [] for row in rows},
        [_event_as_read(**_event_row(row)) for row in rows],
    )
    waiting = tuple((row["id"], row["lane"]) for row in rows if row["state"] is DeliveryState.QUEUED)
    return Accepted(message["id"], True, stored, waiting, now)


def _as_read(table: Table) -> Callable[..., Any]:
    """Makes a row that was just inserted, by its columns, as it is read: what was not given is empty."""
    return type(f"Inserted {table.name}", (SimpleNamespace,), dict.fromkeys(table.c.keys()))


_message_as_read, _delivery_as_read, _event_as_read = map(_as_read, (messages, deliveries, events))


def _find_repeats(tx: Connection, entries: Sequence[NewMessage]) -> Mapping[str, Stored]:
    """Stored Messages, by `id:…` and by `key:…`."""
    if not entries:
        return {}
    ids = {entry.id for entry in entries}
    keys = {entry.draft.idempotency_key for entry in entries} - {None}
    same = or_(messages.c.id.in_(ids), messages.c.idempotency_key.in_(keys))
    repeats = {}
    for stored in reading.find(tx, tx.execute(select(messages.c.id).where(same)).scalars().all()):
        repeats[f"id:{stored.message.id}"] = stored
        repeats[f"key:{stored.message.idempotency_key}"] = stored
    return repeats


def _repeat(entry: NewMessage, repeats: Mapping[str, Stored]) -> Accepted | Conflict:
    """What is there already: the same Message, or another one under this id or key."""
    key = entry.draft.idempotency_key
    by_id, by_key = repeats.get(f"id:{entry.id}"), repeats.get(f"key:{key}") if key else None
    stored = by_id or by_key
    if by_key and entry.draft.id and by_key.message.id != entry.id:
        return Conflict("Idempotency-Key", str(key))
    if stored and entry.draft.has_fingerprint(stored.message.fingerprint):
        return Accepted(stored.message.id, False, stored)
    return Conflict("id", entry.id) if by_id else Conflict("Idempotency-Key", str(key))
