"""What the queue entrance refused is kept, with its reason: nobody else could tell its producer."""

from dataclasses import dataclass

import orjson
from sqlalchemy import Connection, insert, select

from messages.errors import InvalidMessage
from messages.ids import new_id
from messages.store.schema import refused


@dataclass(frozen=True, slots=True)
class Refused:
    """An entry that is no Message."""

    id: str
    received_at: int  #: ms since the epoch
    reason: str
    fields: dict[str, str]  #: field → sentence
    body: str  #: JSON, as it was given


def refuse(tx: Connection, entries: list[tuple[str, InvalidMessage]], now: int) -> None:
    """Keep what was given (JSON) and why it was refused."""
    tx.execute(
        insert(refused),
        [
            {
                "id": new_id("ref"),
                "received_at": now,
                "reason": error.message,
                "fields": orjson.dumps(error.fields).decode(),
                "body": body,
            }
            for body, error in entries
        ],
    )


def list_refused(tx: Connection, limit: int) -> list[Refused]:
    """The latest, newest first."""
    rows = tx.execute(
        select(refused).order_by(refused.c.received_at.desc(), refused.c.id.desc()).limit(limit)
    )
    return [Refused(r.id, r.received_at, r.reason, orjson.loads(r.fields), r.body) for r in rows]
