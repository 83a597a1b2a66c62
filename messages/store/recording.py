"""Recording: what came of attempts. Writes name the attempt number, so a stale worker writes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, insert, update

from messages.delivery import Claim
from messages.outcomes import FailureKind
from messages.states import DeliveryState, sources_of
from messages.store.schema import attempts, deliveries, events
from messages.store.status import lock_messages, refresh_status


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one attempt, and what follows for its Delivery."""

    claim: Claim
    state: DeliveryState  #: the Delivery's next state
    outcome: str  #: of the attempt: sent, retryable, permanent, ambiguous
    error: str | None = None  #: a sentence
    code: str | None = None  #: the provider's
    provider_id: str | None = None
    next_attempt_at: int | None = None  #: ms since the epoch
    segments: int | None = None
    encoding: str | None = None


#: A certain outcome that comes after the lease ran out still settles an `unknown` of its own attempt.
_HELD = frozenset({DeliveryState.SENDING, DeliveryState.UNKNOWN})


def rung_before(next_attempt_at: int | None, now: int) -> int:
    """When a Delivery counts as rung: before its time, so that the sweep rings when that has come."""
    return now if next_attempt_at is None else min(now, next_attempt_at - 1)


def record(tx: Connection, results: Sequence[Result], now: int) -> list[bool]:
    """Write the results of claims still held; returns for each whether it was."""
    lock_messages(tx, [r.claim.delivery_id for r in results])
    was_held = [_move(tx, r, now) for r in results]
    held = [r for r, yes in zip(results, was_held, strict=True) if yes]
    if held:
        _write_history(tx, held, now)
    return [yes or _was_reported(tx, r) for r, yes in zip(results, was_held, strict=True)]


def _write_history(tx: Connection, held: Sequence[Result], now: int) -> None:
    tx.execute(
        update(attempts)
        .where(attempts.c.delivery_id == bindparam("key"), attempts.c.number == bindparam("attempt"))
        .values(
            finished_at=now,
            outcome=bindparam("outcome_"),
            error=bindparam("error_"),
            code=bindparam("code_"),
            provider_id=bindparam("provider"),
        ),
        [
            {
                "key": r.claim.delivery_id,
                "attempt": r.claim.attempt,
                "outcome_": r.outcome,
                "error_": r.error,
                "code_": r.code,
                "provider": r.provider_id,
            }
            for r in held
        ],
    )
    tx.execute(
        insert(events),
        [
            {
                "message_id": r.claim.message_id,
                "delivery_id": r.claim.delivery_id,
                "at": now,
                "type": r.state,
                "detail": r.error,
            }
            for r in held
        ],
    )
    refresh_status(tx, {r.claim.message_id for r in held})


def _move(tx: Connection, result: Result, now: int) -> bool:
    """The fenced state change: only while no later attempt has begun."""
    sent = result.state is DeliveryState.SENT
    in_doubt = result.state is DeliveryState.UNKNOWN
    # What may have been sent counts from now where, through a bug, it was not marked as begun.
    begun = {"begun_at": func.coalesce(deliveries.c.begun_at, now)} if in_doubt else {}
    changed = tx.execute(
        update(deliveries)
        .where(
            deliveries.c.id == result.claim.delivery_id,
            deliveries.c.attempt == result.claim.attempt,
            deliveries.c.state.in_(_HELD & sources_of(result.state)),
        )
        .values(
            state=result.state,
            lease_until=None,
            next_attempt_at=result.next_attempt_at,
            rung_at=rung_before(result.next_attempt_at, now),
            provider_id=result.provider_id,
            segments=result.segments,
            encoding=result.encoding,
            error=result.error,
            doubts=deliveries.c.doubts + int(result.outcome == FailureKind.AMBIGUOUS),
            sent_at=now if sent else None,
            **begun,
        )
    )
    return bool(changed.rowcount)


def _was_reported(tx: Connection, result: Result) -> bool:
    """Whether Twilio's own report of this SMS came first: then only what it cannot know is added."""
    if result.state is not DeliveryState.SENT or result.segments is None:
        return False
    changed = tx.execute(
        update(deliveries)
        .where(
            deliveries.c.id == result.claim.delivery_id,
            deliveries.c.attempt == result.claim.attempt,
            deliveries.c.provider_id == result.provider_id,
            deliveries.c.segments.is_(None),
        )
        .values(segments=result.segments, encoding=result.encoding)
    )
    return bool(changed.rowcount)
