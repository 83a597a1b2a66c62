"""Accepting: new Messages with all that belongs to them, in one transaction, each id once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import orjson
from sqlalchemy import Connection, Table, false, or_, select

from messages.delivery import Lane, Route
from messages.draft import Draft
from messages.errors import Conflict
from messages.ids import new_ids
from messages.states import DeliveryState
from messages.store import reading, related
from messages.store.reading import Stored
from messages.store.recording import rung_before
from messages.store.rows import RowsStatement
from messages.store.schema import deliveries, events, messages


def _insertion(table: str, after: str = "", **columns: str) -> RowsStatement:
    names = ", ".join(columns)
    given = ", ".join(f"r.{name}" for name in columns)
    # Without WHERE SQLite takes the ON of `after` for a join's.
    sql = f"INSERT INTO {table} ({names}) SELECT {given} FROM {{rows}} WHERE true {after}"  # noqa: S608 - names
    return RowsStatement(sql, **columns)


_INSERT_MESSAGES = _insertion(
    "messages", "ON CONFLICT DO NOTHING RETURNING id, fingerprint",
    id="varchar", idempotency_key="varchar", fingerprint="varchar", template="varchar", fields="text",
    objects="text", status="varchar", created_at="bigint",
)  # fmt: skip

_INSERT_DELIVERIES = _insertion(
    "deliveries",
    id="varchar", message_id="varchar", channel="varchar", lane="varchar", recipient="varchar",
    sender="varchar", reply_to="varchar", state="varchar", attempt="integer", next_attempt_at="bigint",
    expires_at="bigint", rung_at="bigint", created_at="bigint",
)  # fmt: skip

_INSERT_EVENTS = _insertion(
    "events", message_id="varchar", delivery_id="varchar", at="bigint", type="varchar"
)


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A Draft with its id and its Routes: ready to be stored."""

    id: str
    draft: Draft
    routes: Sequence[Route]
    send_at: int | None = None  #: ms since the epoch; None: now
    expires_at: int | None = None  #: ms since the epoch; None: never


@dataclass(frozen=True, slots=True)
class Accepted:
    """A Message that is in the store. `waiting` are the Deliveries to enqueue: none for a repeat."""

    message_id: str
    is_new: bool
    #: As it is, known before the COMMIT: nobody has to read it back, when the store may be away.
    stored: Stored = field(compare=False, repr=False)
    waiting: tuple[tuple[str, Lane], ...] = ()
    rung_at: int = 0  #: what `waiting` have for the time at which they are enqueued, ms since the epoch


def accept(tx: Connection, entries: Sequence[NewMessage], now: int) -> list[Accepted | Conflict]:
    """Store those that are new; find those that repeat. Results are in the order of `entries`."""
    own = [_message_row(entry, now) for entry in entries]
    created = _insert_messages(tx, own)
    new = [entry for position, entry in enumerate(entries) if position in created]
    rows = _insert_deliveries(tx, new, now)
    related.keep_objects(tx, [entry.draft.objects for entry in new], now)
    related.keep_attachments(tx, [a for entry in new for a in entry.draft.attachments], now)
    repeats = _find_repeats(tx, [entry for position, entry in enumerate(entries) if position not in created])
    return [
        _accepted(own[position], rows[entry.id], now) if position in created else _repeat(entry, repeats)
        for position, entry in enumerate(entries)
    ]


def knows(tx: Connection, message_id: str | None, idempotency_key: str | None) -> bool:
    """Whether a Message has this id, or this key."""
    given = {messages.c.id: message_id, messages.c.idempotency_key: idempotency_key}
    same = or_(false(), *(column == value for column, value in given.items() if value is not None))
    return tx.execute(select(messages.c.id).where(same).limit(1)).first() is not None


def _insert_messages(tx: Connection, given: Sequence[dict[str, Any]]) -> set[int]:
    """Insert what is not there yet; returns the positions of those that were inserted.

    `ON CONFLICT DO NOTHING` makes the database decide, so ten thousand repeats at once make one row.
    """
    # Sorted, so that two transactions that insert the same keys wait for each other in one order only.
    rows = sorted(given, key=lambda r: (r["idempotency_key"] or "", r["id"]))
    inserted = {(row.id, row.fingerprint) for row in _INSERT_MESSAGES.run(tx, rows)} if rows else set()
    positions = set()
    for position, row in enumerate(given):
        identity = row["id"], row["fingerprint"]
        if identity in inserted:
            inserted.discard(identity)  # of equal ones in this group, the first is the one inserted
            positions.add(position)
    return positions


def _message_row(entry: NewMessage, now: int) -> dict[str, Any]:
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
    }


def _first_state(entry: NewMessage) -> DeliveryState:
    return DeliveryState.SCHEDULED if entry.send_at else DeliveryState.QUEUED


def _insert_deliveries(
    tx: Connection, entries: Sequence[NewMessage], now: int
) -> dict[str, list[dict[str, Any]]]:
    """Insert the Deliveries, and that they are there; returns their rows by Message."""
    ids = iter(new_ids("dlv", sum(len(entry.routes) for entry in entries)))
    rows: list[dict[str, Any]] = [
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
        for entry in entries
        for route in entry.routes
    ]
    if rows:
        _INSERT_DELIVERIES.run(tx, rows)
        _INSERT_EVENTS.run(tx, [_event_row(row) for row in rows])
    by_message: dict[str, list[dict[str, Any]]] = {entry.id: [] for entry in entries}
    for row in rows:
        by_message[row["message_id"]].append(row)
    return by_message


def _event_row(delivery: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "message_id": delivery["message_id"],
        "delivery_id": delivery["id"],
        "at": delivery["created_at"],
        "type": delivery["state"],
    }


def _accepted(message: Mapping[str, Any], rows: Sequence[dict[str, Any]], now: int) -> Accepted:
    stored = Stored(
        _as_read(messages, message),
        [_as_read(deliveries, row) for row in sorted(rows, key=lambda row: row["channel"], reverse=True)],
        {row["id"]: [] for row in rows},
        [_as_read(events, _event_row(row)) for row in rows],
    )
    waiting = tuple((row["id"], row["lane"]) for row in rows if row["state"] is DeliveryState.QUEUED)
    return Accepted(message["id"], True, stored, waiting, now)


def _as_read(table: Table, inserted: Mapping[str, Any]) -> Any:
    """A row that was just inserted, as it is read: what was not given is empty."""
    return SimpleNamespace(**{**_EMPTY[table], **inserted})


_EMPTY = {table: dict.fromkeys(table.c.keys()) for table in (messages, deliveries, events)}


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
    if stored and stored.message.fingerprint == entry.draft.fingerprint:
        return Accepted(stored.message.id, False, stored)
    return Conflict("id", entry.id) if by_id else Conflict("Idempotency-Key", str(key))
