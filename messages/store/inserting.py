"""Inserting Messages with their Deliveries and first events: each Message once, whoever else inserts it.

`ON CONFLICT DO NOTHING` makes the database decide, so ten thousand repeats at once make one row. What
belongs to a Message must be inserted only with it: PostgreSQL does all of it in one statement, as each more
is a round trip; on SQLite, which has no such statement and no round trips, they are one after the other.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from messages.store.rows import RowsStatement

#: A row as it is inserted, by column.
Inserted = dict[str, Any]

_MESSAGES = {
    "id": "varchar", "idempotency_key": "varchar", "fingerprint": "varchar", "template": "varchar",
    "fields": "text", "objects": "text", "status": "varchar", "created_at": "bigint",
    "warnings": "text",
}  # fmt: skip
_DELIVERIES = {
    "id": "varchar", "message_id": "varchar", "channel": "varchar", "lane": "varchar",
    "recipient": "varchar", "sender": "varchar", "reply_to": "varchar", "state": "varchar",
    "attempt": "integer", "next_attempt_at": "bigint", "expires_at": "bigint", "rung_at": "bigint",
    "created_at": "bigint",
}  # fmt: skip


def _insertion(table: str, columns: Collection[str], rows: str) -> str:
    given = ", ".join(f"r.{name}" for name in columns)
    # Without WHERE SQLite takes an ON behind it for a join's.
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT {given} FROM {rows} WHERE true"  # noqa: S608 - ours


def _new_messages(rows: str) -> str:
    return f"{_insertion('messages', _MESSAGES, rows)} ON CONFLICT DO NOTHING RETURNING {_SAME}"


def _first_events(rows: str) -> str:
    return f"""
        INSERT INTO events (message_id, delivery_id, at, type)
        SELECT r.message_id, r.id, r.created_at, r.state FROM {rows}
    """  # noqa: S608 - likewise


#: What tells one of the given Messages from another, in the order in which they are inserted: see `_same`.
_SAME = "COALESCE(idempotency_key, ''), id, fingerprint"

_INSERT_MESSAGES = RowsStatement(_new_messages("{rows}"), **_MESSAGES)
_INSERT_DELIVERIES = RowsStatement(_insertion("deliveries", _DELIVERIES, "{rows}"), **_DELIVERIES)
_INSERT_EVENTS = RowsStatement(
    _first_events("{rows}"), id="varchar", message_id="varchar", created_at="bigint", state="varchar"
)

# IS TRUE keeps the planner from making a join of it, which it would make for a few rows.
_INSERT_ALL = RowsStatement(
    f"""
    WITH given AS (SELECT * FROM {{rows}}),
    created AS ({_new_messages("given AS r")}),
    new AS (SELECT place, deliveries FROM given WHERE (({_SAME}) IN (SELECT * FROM created)) IS TRUE),
    waiting AS (
        SELECT r.* FROM new, json_to_recordset(deliveries)
        AS r({", ".join(f"{name} {kind}" for name, kind in _DELIVERIES.items())})
    ),
    inserted AS ({_insertion("deliveries", _DELIVERIES, "waiting AS r")}),
    told AS ({_first_events("waiting AS r")})
    SELECT place - 1 AS position FROM new
    """,  # noqa: S608 - likewise
    **_MESSAGES,
    deliveries="json",
)


def insert(tx: Connection, given: Sequence[tuple[Inserted, Sequence[Inserted]]]) -> set[int]:
    """Insert Messages, each with its Deliveries; returns the positions of those that were not there yet."""
    positions: dict[tuple[str, str, str], int] = {}
    for position, (message, _) in enumerate(given):
        positions.setdefault(_same(message), position)  # of equal ones, the first
    # Sorted, so that two transactions that insert the same keys wait for each other in one order only.
    order = [positions[same] for same in sorted(positions)]
    if not order:
        return set()
    if tx.dialect.name == "sqlite":
        created = {positions[tuple(row)] for row in _INSERT_MESSAGES.run(tx, [given[p][0] for p in order])}
        if waiting := [delivery for position in created for delivery in given[position][1]]:
            _INSERT_DELIVERIES.run(tx, waiting)
            _INSERT_EVENTS.run(tx, waiting)
        return created
    rows = [{**given[p][0], "deliveries": given[p][1]} for p in order]
    return {order[row.position] for row in _INSERT_ALL.run(tx, rows)}


def _same(message: Mapping[str, Any]) -> tuple[str, str, str]:
    return message["idempotency_key"] or "", message["id"], message["fingerprint"]
