"""What people do by hand: queue the dead letters again, withdraw what was not sent. Each says who."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, case, func, select

from messages.delivery import Waiting
from messages.states import REDRIVABLE, REDRIVABLE_IN_DOUBT, DeliveryState, sources_of
from messages.store import reading
from messages.store.moving import move
from messages.store.reading import Stored
from messages.store.schema import deliveries, events, in_state
from messages.store.status import lock_by_id


@dataclass(frozen=True, slots=True)
class ByHand:
    """What was done: the Deliveries that were moved, and the Messages as they are since then."""

    moved: Waiting
    found: list[Stored]  #: unknown ids are left out


def redrive(
    tx: Connection, message_ids: Sequence[str], by: str, now: int, *, even_unknown: bool = False
) -> ByHand:
    """Queue what failed or expired of these Messages; if `even_unknown`, also what may have been sent."""
    lock_by_id(tx, message_ids)
    of_these = deliveries.c.message_id.in_(message_ids)
    moved = _queue(tx, and_(of_these, in_state(*REDRIVABLE)), f"redriven by {by}", now, None)
    if even_unknown:
        in_doubt = and_(of_these, in_state(*REDRIVABLE_IN_DOUBT))
        moved += _queue(tx, in_doubt, f"redriven by {by}, although it may have been sent", now, None)
    return ByHand(moved, reading.find(tx, message_ids))


def redrive_failed(tx: Connection, span: tuple[int, int], by: str, now: int, limit: int) -> Waiting:
    """Queue at most `limit` Deliveries that failed for good, the last time within `span`."""
    of_this = events.c.message_id == deliveries.c.message_id, events.c.delivery_id == deliveries.c.id
    failed_at = (
        select(func.max(events.c.at)).where(*of_this, events.c.type == DeliveryState.FAILED).scalar_subquery()
    )
    return _queue(
        tx, and_(in_state(DeliveryState.FAILED), failed_at.between(*span)), f"redriven by {by}", now, limit
    )


def cancel(tx: Connection, message_ids: Sequence[str], by: str, now: int) -> ByHand:
    """Withdraw what of these Messages nobody has begun to send."""
    lock_by_id(tx, message_ids)
    waits = in_state(*sources_of(DeliveryState.CANCELED))
    moved = move(
        tx, and_(deliveries.c.message_id.in_(message_ids), waits), DeliveryState.CANCELED, now, None,
        detail=f"canceled by {by}", next_attempt_at=None,
    )  # fmt: skip
    return ByHand(moved, reading.find(tx, message_ids))


def _queue(tx: Connection, dead: ColumnElement[bool], detail: str, now: int, limit: int | None) -> Waiting:
    """With a new age and count. An expiry that has passed is dropped: somebody wants it sent all the same."""
    lies_ahead = and_(deliveries.c.state != DeliveryState.EXPIRED, deliveries.c.expires_at > now)
    return move(
        tx, dead, DeliveryState.QUEUED, now, limit,
        detail=detail, error=None, provider_id=None, rung_at=now, next_attempt_at=None,
        first_attempt=None, first_attempt_at=None,
        expires_at=case((lies_ahead, deliveries.c.expires_at)),
    )  # fmt: skip
