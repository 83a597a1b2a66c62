"""The status of Messages, kept beside them so that lists can filter on it."""

from collections import defaultdict
from collections.abc import Collection

from sqlalchemy import Connection, Select, bindparam, select, update

from messages.states import DeliveryState, message_status
from messages.store.schema import deliveries, messages


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
    if not message_ids:
        return
    columns = deliveries.c.message_id, deliveries.c.state, deliveries.c.sent_at
    states: dict[str, list[DeliveryState]] = defaultdict(list)
    sent: dict[str, int] = {}
    for message_id, state, sent_at in tx.execute(
        select(*columns).where(deliveries.c.message_id.in_(message_ids))
    ):
        states[message_id].append(DeliveryState(state))
        if sent_at is not None:
            sent[message_id] = max(sent_at, sent.get(message_id, 0))
    tx.execute(
        update(messages)
        .where(messages.c.id == bindparam("key"))
        .values(status=bindparam("derived"), sent_at=bindparam("sent")),
        [
            {"key": key, "derived": message_status(found), "sent": sent.get(key)}
            for key, found in sorted(states.items())
        ],
    )
