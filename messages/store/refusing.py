"""What the queue entrance refused is kept, with its reason: nobody else could tell its producer."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, delete, insert, or_, select, update

from messages.errors import InvalidMessage
from messages.ids import new_id
from messages.store.schema import refused

#: So much of a producer's id is kept; a longer one is not an id.
_ID_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class RefusedEntry:
    """What is to be kept: JSON as it was given, why it was refused, and what its task said, as JSON."""

    body: str
    error: InvalidMessage
    task: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """An entry that is not a Message."""

    id: str
    received_at: int  #: ms since the epoch
    reason: str
    fields: dict[str, str]  #: field → sentence
    body: str  #: JSON, as it was given; may hold NaN
    message_id: str | None  #: the id that the producer gave
    task: str | None  #: JSON: name, id, eta and expires of its task, where that was refused as a whole


def refuse(tx: Connection, entries: Sequence[RefusedEntry], now: int) -> None:
    """Keep these."""
    tx.execute(
        insert(refused),
        [
            {
                "id": new_id("ref"),
                "received_at": now,
                "reason": entry.error.message,
                "fields": orjson.dumps(entry.error.fields).decode(),
                "body": entry.body,
                "message_id": _producers_id(entry.body),
                "task": entry.task,
            }
            for entry in entries
        ],
    )


def list_refused(tx: Connection, limit: int) -> list[Refused]:
    """Return the latest, newest first."""
    rows = tx.execute(
        select(refused).order_by(refused.c.received_at.desc(), refused.c.id.desc()).limit(limit)
    )
    return [_refused(row) for row in rows]


def find_refused(tx: Connection, wanted: str, limit: int) -> list[Refused]:
    """Return those of this id, or of the producer's, newest first."""
    chosen = or_(refused.c.id == wanted, refused.c.message_id == wanted)
    order = refused.c.received_at.desc(), refused.c.id.desc()
    return [_refused(row) for row in tx.execute(select(refused).where(chosen).order_by(*order).limit(limit))]


def refuse_again(tx: Connection, refused_id: str, error: InvalidMessage) -> None:
    """Replace the reason: it was submitted again, and refused again."""
    fields = orjson.dumps(error.fields).decode()
    tx.execute(update(refused).where(refused.c.id == refused_id).values(reason=error.message, fields=fields))


def forget_refused(tx: Connection, refused_id: str) -> None:
    """Delete one that was accepted after all."""
    tx.execute(delete(refused).where(refused.c.id == refused_id))


def _refused(row: Any) -> Refused:
    fields = orjson.loads(row.fields)
    return Refused(row.id, row.received_at, row.reason, fields, row.body, row.message_id, row.task)


def _producers_id(body: str) -> str | None:
    """Return the id that the Message has, if a database can hold it."""
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        return None
    found = given.get("id") if isinstance(given, dict) else None
    if not isinstance(found, str) or not 0 < len(found) <= _ID_CHARACTERS:
        return None
    return found if found.isprintable() and not any("\ud800" <= c <= "\udfff" for c in found) else None
