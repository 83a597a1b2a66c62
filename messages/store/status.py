"""The status of Messages, kept beside them so that lists can filter on it."""

from collections.abc import Collection

from sqlalchemy import Connection

from messages.states import MESSAGE_STATUS_ORDER
from messages.store.rows import RowsStatement, keys


def _refreshed() -> str:
    """`messages.states.message_status` as SQL: the state that most wants attention has the lowest rank."""
    ranked = list(enumerate(MESSAGE_STATUS_ORDER))
    rank = " ".join(f"WHEN '{state}' THEN {number}" for number, state in ranked)
    state = " ".join(f"WHEN {number} THEN '{state}'" for number, state in ranked)
    return f"""
        UPDATE messages SET (status, sent_at) = (
            SELECT CASE MIN(CASE state {rank} END) {state} END, MAX(sent_at) FROM deliveries
            WHERE message_id = messages.id
        )
        {{rows}} WHERE messages.id = r.message_id
    """  # noqa: S608 - names, not values


#: Both as parts of a procedure's step, whose rows have a `message_id`: what derives, and what locks before.
REFRESH_ROWS = _refreshed()
LOCK_ROWS = "SELECT id FROM messages WHERE id IN (SELECT r.message_id {rows}) ORDER BY id FOR UPDATE"


_LOCK = RowsStatement(LOCK_ROWS.format(rows="FROM {rows}"), message_id="varchar")
_REFRESH = RowsStatement(REFRESH_ROWS.format(rows="FROM {rows}"), message_id="varchar")
_LOCK_OF_DELIVERIES = RowsStatement(
    """
    SELECT id FROM messages
    WHERE id IN (SELECT message_id FROM deliveries JOIN {rows} ON deliveries.id = key)
    ORDER BY id FOR UPDATE
    """,
    key="varchar",
)


def lock_messages(tx: Connection, delivery_ids: Collection[str]) -> None:
    """Hold the Messages of these Deliveries until the transaction ends, always in the same order.

    Two workers that record an SMS and an e-mail of one Message at once would otherwise each
    derive its status from the other's old state. SQLite has one writer anyway.
    """
    if tx.dialect.name != "sqlite":
        _LOCK_OF_DELIVERIES.run(tx, keys(delivery_ids))


def lock_by_id(tx: Connection, message_ids: Collection[str]) -> None:
    """Likewise, by the Messages' own ids."""
    if tx.dialect.name != "sqlite":
        _LOCK.run(tx, keys(message_ids, "message_id"))


def refresh_status(tx: Connection, message_ids: Collection[str]) -> None:
    """Derive `status` and `sentAt` of these Messages from their Deliveries."""
    if message_ids:
        _REFRESH.run(tx, keys(message_ids, "message_id"))
