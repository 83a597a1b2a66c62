"""The status of Messages, kept beside them so that lists can filter on it."""

from collections.abc import Collection

from sqlalchemy import Connection, Select, select

from messages.states import MESSAGE_STATUS_ORDER
from messages.store.rows import RowsStatement
from messages.store.schema import deliveries, messages


def _refreshed() -> str:
    """`messages.states.message_status` as SQL: the state that most wants attention has the lowest rank."""
    ranked = list(enumerate(MESSAGE_STATUS_ORDER))
    rank = " ".join(f"WHEN '{state}' THEN {number}" for number, state in ranked)
    state = " ".join(f"WHEN {number} THEN '{state}'" for number, state in ranked)
    return f"""
        UPDATE messages SET status = CASE derived.rank {state} END, sent_at = derived.sent_at
        FROM (
            SELECT message_id, MIN(CASE state {rank} END) AS rank, MAX(sent_at) AS sent_at FROM deliveries
            WHERE message_id IN (SELECT key FROM {{rows}}) GROUP BY message_id
        ) AS derived
        WHERE messages.id = derived.message_id
    """  # noqa: S608 - names, not values


_REFRESH = RowsStatement(_refreshed(), key="varchar")


def lock_messages(tx: Connection, delivery_ids: Collection[str]) -> None:
    """Hold the Messages of these Deliveries until the transaction ends, always in the same order.

    Two workers that record an SMS and an e-mail of one Message at once would otherwise each
    derive its status from the other's old state. SQLite has one writer anyway.
    """
    lock_by_id(tx, select(deliveries.c.message_id).where(deliveries.c.id.in_(delivery_ids)))


def lock_by_id(tx: Connection, message_ids: Collection[str] | Select[str]) -> None:
    """Likewise, by the Messages' own ids."""
    if tx.dialect.name == "sqlite":
        return
    tx.execute(
        select(messages.c.id).where(messages.c.id.in_(message_ids)).order_by(messages.c.id).with_for_update()
    )


def refresh_status(tx: Connection, message_ids: Collection[str]) -> None:
    """Derive `status` and `sentAt` of these Messages from their Deliveries."""
    if message_ids:
        _REFRESH.run(tx, [{"key": message_id} for message_id in message_ids])
