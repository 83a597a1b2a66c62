"""The status of Messages, kept beside them so that lists can filter on it.

What is `sending` is kept as `queued`: that lasts for moments, and is seen from the Deliveries, by an index
that holds nothing else. So a claim rewrites no Message, which is the widest row there is.
"""

from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, and_, select

from messages.states import MESSAGE_STATUS_ORDER, DeliveryState
from messages.store.rows import RowsStatement, keys
from messages.store.schema import deliveries, in_state, messages

#: What is kept of a state, where that is another one.
_KEPT = {DeliveryState.SENDING: DeliveryState.QUEUED}

#: Found once for a statement: to look at the Deliveries of each Message that is queued would take long.
_BEING_SENT = select(deliveries.c.message_id).where(in_state(DeliveryState.SENDING))


def has_status(status: DeliveryState) -> ColumnElement[bool]:
    """Which Messages have this status, at this moment: what is read of them next may be newer."""
    if status is DeliveryState.SENDING:
        return messages.c.id.in_(_BEING_SENT)
    kept = messages.c.status == status
    return and_(kept, messages.c.id.not_in(_BEING_SENT)) if status is DeliveryState.QUEUED else kept


def _refreshed() -> str:
    """`messages.states.message_status` as SQL: the state that most wants attention has the lowest rank."""
    ranked = list(enumerate(MESSAGE_STATUS_ORDER))
    rank = " ".join(f"WHEN '{state}' THEN {number}" for number, state in ranked)
    state = " ".join(f"WHEN {number} THEN '{_KEPT.get(state, state)}'" for number, state in ranked)
    return f"""
        UPDATE messages SET status = (
            SELECT CASE MIN(CASE state {rank} END) {state} END FROM deliveries WHERE message_id = messages.id
        )
        {{rows}} WHERE messages.id = r.message_id
    """  # noqa: S608 - names, not values


#: Both as parts of a procedure's step, whose rows have a `message_id`: what derives, and what locks before.
#: With a lock that leaves the key alone: who inserts an event, which refers to it, need not wait.
REFRESH_ROWS = _refreshed()
LOCK_ROWS = "SELECT id FROM messages WHERE id IN (SELECT r.message_id {rows}) ORDER BY id FOR NO KEY UPDATE"


_LOCK = RowsStatement(LOCK_ROWS.format(rows="FROM {rows}"), message_id="varchar")
_REFRESH = RowsStatement(REFRESH_ROWS.format(rows="FROM {rows}"), message_id="varchar")
_LOCK_MESSAGES_OF = RowsStatement(
    """
    SELECT id FROM messages
    WHERE id IN (SELECT message_id FROM deliveries JOIN {rows} ON deliveries.id = key)
    ORDER BY id FOR NO KEY UPDATE
    """,
    key="varchar",
)
_LOCK_DELIVERIES = RowsStatement(
    """
    SELECT id FROM deliveries WHERE id IN (SELECT key FROM {rows})
    ORDER BY id COLLATE "C" FOR NO KEY UPDATE
    """,
    key="varchar",
)


def lock_messages(tx: Connection, delivery_ids: Collection[str]) -> None:
    """Hold the Messages of these Deliveries until the transaction ends, always in the same order.

    Two workers that record an SMS and an e-mail of one Message at once would otherwise each
    derive its status from the other's old state. SQLite has one writer anyway.
    """
    if tx.dialect.name != "sqlite":
        _LOCK_MESSAGES_OF.run(tx, keys(delivery_ids))


def lock_deliveries(tx: Connection, delivery_ids: Collection[str]) -> None:
    """Hold these Deliveries likewise, after their Messages where both are held: see `ordering`."""
    if tx.dialect.name != "sqlite":
        _LOCK_DELIVERIES.run(tx, keys(delivery_ids))


def lock_by_id(tx: Connection, message_ids: Collection[str]) -> None:
    """Likewise, by the Messages' own ids."""
    if tx.dialect.name != "sqlite":
        _LOCK.run(tx, keys(message_ids, "message_id"))


def refresh_status(tx: Connection, message_ids: Collection[str]) -> None:
    """Derive the status of these Messages from their Deliveries."""
    if message_ids:
        _REFRESH.run(tx, keys(message_ids, "message_id"))
