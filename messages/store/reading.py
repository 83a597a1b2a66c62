"""Reading Messages, with what became of them, for the API and the command line."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, Row, func, select

from messages.delivery import Channel
from messages.states import DeliveryState, message_status
from messages.store.schema import attempts, deliveries, events, in_state, messages
from messages.store.status import has_status
from messages.store.totals import Totals


@dataclass(frozen=True, slots=True)
class Stored:
    """One Message as the store has it: rows of the tables of the same names, columns as attributes."""

    message: Any
    deliveries: Sequence[Any]
    attempts: Mapping[str, Sequence[Any]]  #: by delivery id
    events: Sequence[Any]

    @property
    def status(self) -> DeliveryState:
        """What the Message shows: that of its Deliveries which most wants attention."""
        return message_status(DeliveryState(delivery.state) for delivery in self.deliveries)

    @property
    def sent_at(self) -> int | None:
        """When the last of its Deliveries was sent, in ms since the epoch; None: none was."""
        return max((d.sent_at for d in self.deliveries if d.sent_at is not None), default=None)

    @property
    def fields(self) -> dict[str, Any]:
        """The producer's fields, API names, related objects as ids."""
        parsed: dict[str, Any] = orjson.loads(self.message.fields)
        return parsed

    @property
    def warnings(self) -> list[dict[str, str]]:
        """What was odd about the Message when it was accepted: `{field, message}` each."""
        text = self.message.warnings
        warnings: list[dict[str, str]] = orjson.loads(text) if text else []
        return warnings


@dataclass(frozen=True, slots=True)
class Page:
    """A page of Messages, newest first, and how many there are in all."""

    items: list[Stored]
    total: int


#: What is read of a Message; not the objects it was given with, which may be as large again.
_COLUMNS = [column for column in messages.c if column.name != "objects"]


def ping(tx: Connection) -> None:
    """Touch the table that everything begins with: it is there, once the store is migrated."""
    tx.execute(select(messages.c.id).limit(1))


def find(tx: Connection, ids: Sequence[str]) -> list[Stored]:
    """The Messages with these ids, in this order; unknown ids are left out."""
    rows = {row.id: row for row in tx.execute(select(*_COLUMNS).where(messages.c.id.in_(ids)))}
    return _complete(tx, [rows[key] for key in ids if key in rows])


def page(tx: Connection, status: DeliveryState | None, limit: int, number: int, totals: Totals) -> Page:
    """Page `number` (from 1) of `limit` Messages, newest first, of that status if one is given."""
    chosen = select(*_COLUMNS).order_by(messages.c.created_at.desc(), messages.c.id.desc())
    if status is not None:
        chosen = chosen.where(has_status(status))
    rows = tx.execute(chosen.limit(limit).offset((number - 1) * limit)).all()
    return Page(_complete(tx, rows), totals.messages(tx) if status is None else _count_of(tx, status))


def _count_of(tx: Connection, status: DeliveryState) -> int:
    count = select(func.count()).select_from(messages).where(has_status(status))
    return tx.execute(count).scalar_one()


def waiting_by_state(tx: Connection) -> dict[str, int]:
    """How many Deliveries are under way, by state: what the partial indexes hold."""
    counts = {}
    states = DeliveryState.SCHEDULED, DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.UNKNOWN
    for state in states:
        statement = select(func.count()).select_from(deliveries).where(in_state(state))
        counts[state.value] = tx.execute(statement).scalar_one()
    return counts


def waiting_for_rates(tx: Connection) -> dict[Channel, int]:
    """How many Deliveries wait for their sender's rate, by channel."""
    statement = (
        select(deliveries.c.channel, func.count())
        .where(in_state(DeliveryState.QUEUED), deliveries.c.place_at.is_not(None))
        .group_by(deliveries.c.channel)
    )
    return {Channel(channel): number for channel, number in tx.execute(statement)}


def _complete(tx: Connection, rows: Sequence[Row[Any]]) -> list[Stored]:
    ids = [row.id for row in rows]
    found = _grouped(tx, deliveries, deliveries.c.message_id, ids, deliveries.c.channel.desc())
    happened = _grouped(tx, events, events.c.message_id, ids, events.c.id)
    tried = _grouped(
        tx,
        attempts,
        attempts.c.delivery_id,
        [d.id for group in found.values() for d in group],
        attempts.c.number,
    )
    return [
        Stored(row, found[row.id], {d.id: tried[d.id] for d in found[row.id]}, happened[row.id])
        for row in rows
    ]


def _grouped(
    tx: Connection, table: Any, by: Any, keys: Sequence[str], order: Any
) -> dict[str, list[Row[Any]]]:
    groups: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in tx.execute(select(table).where(by.in_(keys)).order_by(order)):
        groups[row._mapping[by]].append(row)  # noqa: SLF001 - SQLAlchemy's public name, underscore and all
    return groups
