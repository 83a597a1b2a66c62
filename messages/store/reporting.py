"""Reporting: what a provider says, unasked, of a Delivery.

Reports come late, twice, out of order, and before the answer to the send. They only ever move a Delivery
forwards: every write names the states that may come before.
"""

from enum import Enum, auto

from sqlalchemy import Connection, and_, select

from messages.states import DeliveryState, sources_of
from messages.store.schema import deliveries
from messages.store.settling import advance, as_sent, failed_there, taken
from messages.store.status import lock_messages


class Reported(Enum):
    """What a report of a provider did to its Delivery."""

    MOVED = auto()
    NOTHING_NEW = auto()
    NOT_ITS_OWN = auto()  #: the Delivery has another provider id, or this one is another Delivery's
    NO_SUCH_DELIVERY = auto()


def report_state(tx: Connection, delivery_id: str, provider_id: str, after: DeliveryState) -> Reported:
    """What `report` would do, without a lock: most reports are of what is known already."""
    columns = deliveries.c.id, deliveries.c.state, deliveries.c.provider_id
    row = tx.execute(select(*columns).where(deliveries.c.id == delivery_id)).one_or_none()
    if row is None:
        return Reported.NO_SUCH_DELIVERY
    if row.provider_id not in (None, provider_id) or taken(tx, [provider_id], but=delivery_id):
        return Reported.NOT_ITS_OWN
    if failed_there(tx, [provider_id]):  # a late word of what is known, and may have been redriven since
        return Reported.NOTHING_NEW
    return Reported.MOVED if row.state in sources_of(after) else Reported.NOTHING_NEW


def report(
    tx: Connection, delivery_id: str, provider_id: str, after: DeliveryState, *, detail: str, now: int
) -> Reported:
    """A provider reports that it has this Delivery: move it to `after`, if that is further than it is."""
    lock_messages(tx, [delivery_id])
    found = report_state(tx, delivery_id, provider_id, after)
    if found is Reported.MOVED:
        which = and_(deliveries.c.id == delivery_id, deliveries.c.state.in_(sources_of(after)))
        if not advance(tx, which, after, as_sent(provider_id, now), detail=detail, now=now):
            return Reported.NOTHING_NEW
    return found
