"""Accepting: new Messages with all that belongs to them, in one transaction, each id once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import orjson
from sqlalchemy import Connection, Table, or_, select

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
    """A Draft with its Routes: ready to be stored."""

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
    repeats = iter(
        find_repeats(tx, [entry.draft for position, entry in enumerate(entries) if position not in created])
    )
    return [
        _accepted(*own[position], now)
        if position in created
        else next(repeats) or _conflict(entry.draft)  # deleted since it kept this one from being inserted
        for position, entry in enumerate(entries)
    ]


def _message_row(entry: NewMessage, now: int) -> Inserted:
    draft = entry.draft
    inline = {"/".join(key): body for key, body in draft.objects.items()}
    return {
        "id": entry.draft.made_id,
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
            "message_id": entry.draft.made_id,
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


def find_repeats(tx: Connection, drafts: Sequence[Draft]) -> list[Accepted | Conflict | None]:
    """Find the stored Messages that these repeat; a Conflict where one has other content, None where none is.

    Only Messages with the same content are read: they are as large as the Drafts, others may be larger.
    """
    if not drafts:
        return []
    ids, keys = {draft.made_id for draft in drafts}, {draft.idempotency_key for draft in drafts} - {None}
    columns = messages.c.id, messages.c.idempotency_key, messages.c.fingerprint
    same = or_(messages.c.id.in_(ids), messages.c.idempotency_key.in_(keys))
    rows = tx.execute(select(*columns).where(same)).all()
    by_id, by_key = {row.id: row for row in rows}, {row.idempotency_key: row for row in rows}
    found = [_find_repeat(draft, by_id, by_key) for draft in drafts]
    stored = {s.message.id: s for s in reading.find(tx, [one for one in found if isinstance(one, str)])}
    return [Accepted(one, False, stored[one]) if isinstance(one, str) else one for one in found]


def _find_repeat(draft: Draft, by_id: Mapping[str, Any], by_key: Mapping[str, Any]) -> str | Conflict | None:
    """The id of the stored Message that the Draft repeats."""
    own = by_id.get(draft.made_id)
    keyed = by_key.get(draft.idempotency_key) if draft.idempotency_key else None
    if keyed and draft.id and keyed.id != draft.id:
        return Conflict("Idempotency-Key", str(draft.idempotency_key))
    found = own or keyed
    if found is None:
        return None
    if draft.has_fingerprint(found.fingerprint):
        return str(found.id)
    return _conflict(draft, by_id=own is not None)


def _conflict(draft: Draft, *, by_id: bool = False) -> Conflict:
    if by_id or draft.idempotency_key is None:
        return Conflict("id", draft.made_id)
    return Conflict("Idempotency-Key", draft.idempotency_key)
