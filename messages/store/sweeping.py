"""Sweeping: find what was left behind. Safe to run by any number of workers at once."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    case,
    exists,
    literal,
    not_,
    or_,
    select,
    true,
    update,
)

from messages.delivery import MOST_DOUBTS, Channel, Lane, Waiting
from messages.outcomes import ActionBy, FailureKind
from messages.states import DeliveryState
from messages.store.moving import move
from messages.store.rows import RowsStatement, keys
from messages.store.schema import Moment, attempts, deliveries, in_state, moment

_TOO_OLD = "It expired while it waited."
_NOT_BEGUN = "The worker stopped before it began this attempt; it was not sent."
_WORE_OUT = "Every worker that tried it stopped before it recorded what came of it. Given up."
_IN_DOUBT = "The worker stopped before it recorded what came of this attempt; it may have been sent."


_RING = RowsStatement(
    "UPDATE deliveries SET rung_at = :now FROM {rows} WHERE id = key RETURNING id, lane", key="varchar"
)


@dataclass(frozen=True, slots=True)
class Void:
    """A kind of claim that is void, and what becomes of its Deliveries."""

    which: ColumnElement[bool]
    after: DeliveryState
    outcome: FailureKind  #: of the attempt
    reason: str
    values: Mapping[str, Any] = field(default_factory=dict)


def any_due(tx: Connection, now: int, lost_before: Mapping[Lane, int]) -> bool:
    """Whether there is anything to sweep: mostly there is not, and then nobody need wait for the sweep."""
    given = {"now": now} | {lane.name: lost_before.get(lane, 0) for lane in Lane}
    return bool(tx.execute(_any_due(), given).scalar())


@cache
def _any_due() -> Select[tuple[bool]]:
    """Put together once: every worker asks every second, and to do that takes as long as the answer."""
    now = moment("now")
    void = and_(in_state(DeliveryState.SENDING), deliveries.c.lease_until < now)
    unrung = _unrung(now, {lane: moment(lane.name) for lane in Lane})
    due = (void, _expired(now), _scheduled_until(now), unrung)
    return select(or_(*(exists().where(one) for one in due)))


def promote_scheduled(tx: Connection, now: int, limit: int) -> None:
    """Those whose time has come are queued; as their time lies after their last ring, they are rung next."""
    move(tx, _scheduled_until(now), DeliveryState.QUEUED, now, limit, detail=None)


def _scheduled_until(now: Moment) -> ColumnElement[bool]:
    return and_(in_state(DeliveryState.SCHEDULED), deliveries.c.next_attempt_at <= now)


def expire(tx: Connection, now: int, limit: int) -> None:
    """What waits, and is not worth sending any more."""
    move(
        tx, _expired(now), DeliveryState.EXPIRED, now, limit,
        detail=_TOO_OLD, error=_TOO_OLD, next_attempt_at=None,
    )  # fmt: skip


def _expired(now: Moment) -> ColumnElement[bool]:
    waits = in_state(DeliveryState.QUEUED, DeliveryState.SCHEDULED)
    return and_(waits, deliveries.c.expires_at <= now)


def voiding(
    now: int, give_up_before: int, max_attempts: int | None, *, hold_email: bool, ask_after: int
) -> list[Void]:
    """The steps that void expired leases. A worker died or hung with these.

    What it had not begun is queued again. What it had begun may have been sent: an SMS becomes
    `unknown`; an e-mail too if it is to be held or was in doubt too often, else it goes out again under
    the same Message-ID. What was first tried before `give_up_before`, or `max_attempts` times, fails:
    whatever ends every worker that tries it must not go on for ever. What became of an SMS is asked
    `ask_after` ms from now.
    """
    begun = deliveries.c.begun_at.is_not(None)
    sms = deliveries.c.channel == Channel.SMS
    held = true() if hold_email else or_(sms, deliveries.c.doubts >= MOST_DOUBTS - 1)
    ended = deliveries.c.lease_until < now
    old = and_(ended, not_(and_(begun, held)), worn_out(give_up_before, max_attempts))
    queued, unknown, failed = DeliveryState.QUEUED, DeliveryState.UNKNOWN, DeliveryState.FAILED
    surely_not, in_doubt = FailureKind.RETRYABLE, FailureKind.AMBIGUOUS
    again = {"next_attempt_at": now, "rung_at": now - 1}
    asked = {"next_attempt_at": case((sms, now + ask_after))}
    return [
        Void(old, failed, in_doubt, _WORE_OUT),
        Void(and_(ended, not_(begun)), queued, surely_not, _NOT_BEGUN, again),
        Void(and_(ended, begun, held), unknown, in_doubt, _IN_DOUBT, asked),
        Void(and_(ended, begun, not_(held)), queued, in_doubt, _IN_DOUBT, again),
    ]


def voiding_unbegun(
    workers: Collection[str], now: int, give_up_before: int, max_attempts: int | None
) -> list[Void]:
    """The steps for workers that died, or are slow: what they had not begun need not wait for its lease.

    It was surely not sent, nor will it be, as it is no longer theirs to begin.
    """
    theirs = and_(deliveries.c.worker.in_(workers), deliveries.c.begun_at.is_(None))
    old = and_(theirs, worn_out(give_up_before, max_attempts))
    surely_not, again = FailureKind.RETRYABLE, {"next_attempt_at": now, "rung_at": now - 1}
    return [
        Void(old, DeliveryState.FAILED, surely_not, _WORE_OUT),
        Void(theirs, DeliveryState.QUEUED, surely_not, _NOT_BEGUN, again),
    ]


def worn_out(give_up_before: int, max_attempts: int | None) -> ColumnElement[bool]:
    """First tried before then, or so many times."""
    old = deliveries.c.first_attempt_at < give_up_before
    if max_attempts is None:
        return old
    return or_(old, deliveries.c.attempt - deliveries.c.first_attempt + 1 >= max_attempts)


def void(tx: Connection, step: Void, now: int, limit: int) -> None:
    """Do one step, in a transaction of its own: it locks its Messages in order, but not those of others."""
    claimed = and_(in_state(DeliveryState.SENDING), step.which)
    outcome, reason = step.outcome, step.reason
    doubts = deliveries.c.doubts + int(outcome is FailureKind.AMBIGUOUS)
    values = {"lease_until": None, "error": reason, "doubts": doubts, **step.values}
    moved = move(tx, claimed, step.after, now, limit, detail=reason, **values)
    if moved:
        ids = [delivery_id for delivery_id, _ in moved]
        tx.execute(
            update(attempts)
            .where(attempts.c.delivery_id.in_(ids), attempts.c.finished_at.is_(None))
            .values(finished_at=now, outcome=outcome, error=reason, action_by=_action_after(step.after))
        )


def _action_after(after: DeliveryState) -> ColumnElement[str]:
    """Who has to act: an SMS in doubt is asked about, an e-mail that is held waits for a person."""
    if after is not DeliveryState.UNKNOWN:
        return literal(ActionBy.OPERATOR if after is DeliveryState.FAILED else ActionBy.NOBODY)
    channel = select(deliveries.c.channel).where(deliveries.c.id == attempts.c.delivery_id).scalar_subquery()
    return case((channel == Channel.EMAIL, ActionBy.OPERATOR), else_=ActionBy.NOBODY)


def take_unrung(tx: Connection, now: int, lost_before: Mapping[Lane, int], limit: int) -> Waiting:
    """Deliveries to enqueue again, marked as rung now.

    Retries whose time has come; and, for the lanes in `lost_before`, those that were rung before
    that time and still wait: the caller knows that the queue holds nothing so old, so their entry is lost.
    """
    # Rows that another worker's sweep holds are passed over; SQLite has one writer and no row locks.
    # Locked first, then updated by key: in one statement PostgreSQL may run the inner one for each row.
    found = select(deliveries.c.id).where(_unrung(now, lost_before)).limit(limit)
    rows = keys(tx.execute(found.with_for_update(skip_locked=True)).scalars())
    return [(row.id, Lane(row.lane)) for row in _RING.run(tx, rows, now=now)] if rows else []


def _unrung(now: Moment, lost_before: Mapping[Lane, Moment]) -> ColumnElement[bool]:
    due = or_(deliveries.c.next_attempt_at.is_(None), deliveries.c.next_attempt_at <= now)
    unrung: ColumnElement[bool] = deliveries.c.rung_at < deliveries.c.next_attempt_at
    for lane, before in lost_before.items():
        unrung = or_(unrung, and_(deliveries.c.lane == lane, deliveries.c.rung_at < before))
    return and_(in_state(DeliveryState.QUEUED), due, unrung)
