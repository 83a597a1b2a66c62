"""Reporting: what a provider says, unasked, of a Delivery.

Reports come late, twice, out of order, and before the answer to the send. They only ever move a Delivery
forwards: `receipts.moves_of` says how far, and while that is done nobody else moves it.
"""

from collections.abc import Sequence
from enum import Enum, auto

from sqlalchemy import Connection, and_, exists, select

from messages.outcomes import ActionBy
from messages.receipts import moves_of
from messages.reconciliation import Ended, Found
from messages.states import DeliveryState
from messages.store.schema import attempts, deliveries
from messages.store.settling import advance, as_sent, failed_there, note_found, taken
from messages.store.status import lock_messages

_EARLIER = and_(attempts.c.delivery_id == deliveries.c.id, attempts.c.number < deliveries.c.attempt)


class Reported(Enum):
    """What a report of a provider did to its Delivery."""

    MOVED = auto()
    NOTHING_NEW = auto()
    NOT_ITS_OWN = auto()  #: the Delivery has another provider id, or this one is another Delivery's
    NO_SUCH_DELIVERY = auto()


def report_state(tx: Connection, delivery_id: str, provider_id: str, after: DeliveryState) -> Reported:
    """What `report` would do, without a lock: most reports are of what is known already."""
    return _judge(tx, delivery_id, provider_id, after)[0]


def report(
    tx: Connection,
    delivery_id: str,
    provider_id: str,
    after: DeliveryState,
    *,
    detail: str,
    code: str | None = None,
    action_by: ActionBy = ActionBy.OPERATOR,
    now: int,
) -> Reported:
    """A provider reports what became of this Delivery: move it, if that is further than it is.

    `code`: the provider's, of what went wrong; `action_by`: who has to act on that.
    """
    lock_messages(tx, [delivery_id])
    # Nor does who moves a Delivery without its Message come between the look and the move.
    tx.execute(select(deliveries.c.id).where(deliveries.c.id == delivery_id).with_for_update())
    found, moves = _judge(tx, delivery_id, provider_id, after)
    which = deliveries.c.id == delivery_id
    for state in moves:
        if state in (DeliveryState.FAILED, DeliveryState.UNDELIVERED, DeliveryState.SUPPRESSED):
            note_found(tx, which, Found(provider_id, now, Ended(state, detail, code, action_by)), now)
        else:
            advance(tx, which, state, as_sent(provider_id, now), detail=detail, now=now)
    return found


def _judge(
    tx: Connection, delivery_id: str, provider_id: str, after: DeliveryState
) -> tuple[Reported, Sequence[DeliveryState]]:
    """What the report is, and the moves it makes."""
    columns = deliveries.c.state, deliveries.c.provider_id, exists().where(_EARLIER).label("again")
    row = tx.execute(select(*columns).where(deliveries.c.id == delivery_id)).one_or_none()
    if row is None:
        return Reported.NO_SUCH_DELIVERY, []
    if row.provider_id not in (None, provider_id) or taken(tx, [provider_id], but=delivery_id):
        return Reported.NOT_ITS_OWN, []
    if failed_there(tx, [provider_id]):  # a late word of what is known, and may have been redriven since
        return Reported.NOTHING_NEW, []
    moves = moves_of(DeliveryState(row.state), after, is_first=not row.again)
    return (Reported.MOVED if moves else Reported.NOTHING_NEW), moves
