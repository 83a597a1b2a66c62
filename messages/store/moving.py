"""Moving Deliveries from state to state, many at a time, each move with its event."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, insert, select, update

from messages.delivery import Lane, Waiting
from messages.states import DeliveryState, sources_of
from messages.store.schema import deliveries, events
from messages.store.status import lock_deliveries, lock_messages, refresh_status


def move(
    tx: Connection,
    condition: ColumnElement[bool],
    after: DeliveryState,
    now: int,
    limit: int | None,
    *,
    detail: str | None,
    **values: Any,
) -> Waiting:
    """Move at most `limit` Deliveries for which `condition` holds, still so once they are locked.

    Whatever the condition, none is moved against `messages.states`. Returns those that were moved.
    """
    ids = list(tx.execute(select(deliveries.c.id).where(condition).limit(limit)).scalars())
    if not ids:
        return []
    lock_messages(tx, ids)
    lock_deliveries(tx, ids)
    rows = tx.execute(
        update(deliveries)
        .where(deliveries.c.id.in_(ids), condition, deliveries.c.state.in_(sources_of(after)))
        .values(state=after, **values)
        .returning(deliveries.c.id, deliveries.c.message_id, deliveries.c.lane)
    ).all()
    if rows:
        tx.execute(
            insert(events),
            [
                {"message_id": r.message_id, "delivery_id": r.id, "at": now, "type": after, "detail": detail}
                for r in rows
            ],
        )
        refresh_status(tx, {row.message_id for row in rows})
    return [(row.id, Lane(row.lane)) for row in rows]
