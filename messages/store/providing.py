"""The providers' circuits, as the workers last saw them: for people and metrics, and what waits for them."""

from collections.abc import Collection

from sqlalchemy import Connection, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from messages.circuit import CircuitChange
from messages.delivery import Channel
from messages.states import DeliveryState
from messages.store.schema import deliveries, in_state, providers
from messages.store.status import lock_deliveries


def postpone(tx: Connection, ids: Collection[str], until: int) -> None:
    """Let queued Deliveries wait, without an attempt; the sweep rings when their time has come.

    One that waits longer already (its provider may have asked for that) goes on doing so.
    """
    lock_deliveries(tx, ids)
    sooner = or_(deliveries.c.next_attempt_at.is_(None), deliveries.c.next_attempt_at < until)
    tx.execute(
        update(deliveries)
        .where(deliveries.c.id.in_(ids), in_state(DeliveryState.QUEUED), sooner)
        .values(next_attempt_at=until, rung_at=until - 1)
    )


def note_circuit(tx: Connection, channel: Channel, change: CircuitChange, now: int) -> None:
    """Write down that a circuit opened or closed."""
    insert = (sqlite if tx.dialect.name == "sqlite" else postgresql).insert(providers)
    row = {"open_until": change.open_until, "reason": change.reason, "updated_at": now}
    tx.execute(
        insert.values(channel=channel, **row).on_conflict_do_update(index_elements=["channel"], set_=row)
    )


def open_circuits(tx: Connection, now: int) -> dict[Channel, str]:
    """The channels whose circuit is open, and why."""
    rows = tx.execute(select(providers).where(providers.c.open_until > now))
    return {Channel(row.channel): row.reason for row in rows}
