"""Recording: what came of attempts. Writes name the attempt number, so a stale worker writes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, update

from messages.delivery import Claim
from messages.outcomes import FailureKind
from messages.states import DeliveryState, sources_of
from messages.store.rows import RowsStatement
from messages.store.schema import deliveries
from messages.store.status import lock_by_id, refresh_status


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one attempt, and what follows for its Delivery."""

    claim: Claim
    state: DeliveryState  #: the Delivery's next state
    outcome: str  #: of the attempt: sent, retryable, permanent, ambiguous; or POSTPONED: it was none
    error: str | None = None  #: a sentence
    code: str | None = None  #: the provider's
    provider_id: str | None = None
    next_attempt_at: int | None = None  #: ms since the epoch
    segments: int | None = None
    encoding: str | None = None

    @property
    def is_attempt(self) -> bool:
        """Whether it was one: what only waits for its sender's rate is not counted."""
        return self.outcome != POSTPONED


#: The outcome of a claim that is given back until `next_attempt_at`, its place in the line of its sender.
POSTPONED = "postponed"

#: A certain outcome that comes after the lease ran out still settles an `unknown` of its own attempt.
_HELD = frozenset({DeliveryState.SENDING, DeliveryState.UNKNOWN})


def _sources(after: DeliveryState) -> frozenset[DeliveryState]:
    # What was sent is sent, also where it was held for not sent meanwhile and waits to be sent again.
    held = _HELD | {DeliveryState.QUEUED} if after is DeliveryState.SENT else _HELD
    return held & sources_of(after)


def _is_held() -> str:
    """The fence: no later attempt has begun, and the state may still become the new one."""
    moves = (
        (after, ", ".join(f"'{before}'" for before in sorted(_sources(after)))) for after in DeliveryState
    )
    return " OR ".join(
        f"(new_state = '{after}' AND state IN ({before}))" for after, before in moves if before
    )


_COLUMNS = {
    "delivery_id": "varchar",
    "number": "integer",
    "message_id": "varchar",
    "new_state": "varchar",
    "outcome": "varchar",
    "new_error": "text",
    "code": "varchar",
    "new_provider_id": "varchar",
    "next_at": "bigint",
    "new_rung_at": "bigint",
    "doubt": "integer",
    "new_segments": "integer",
    "new_encoding": "varchar",
    "place": "bigint",
}

# A claim that was no attempt is not counted: the next one is the first since then, if this was.
# What may have been sent counts from now where, through a bug, it was not marked as begun.
_MOVE = RowsStatement(
    f"""
    UPDATE deliveries SET
        state = new_state, lease_until = NULL, next_attempt_at = next_at, rung_at = new_rung_at,
        provider_id = new_provider_id, segments = new_segments, encoding = new_encoding, error = new_error,
        doubts = doubts + doubt, place_at = place,
        first_attempt = CASE
            WHEN place IS NULL THEN first_attempt WHEN first_attempt < attempt THEN first_attempt + 1
        END,
        first_attempt_at = CASE WHEN place IS NULL OR first_attempt < attempt THEN first_attempt_at END,
        sent_at = CASE WHEN new_state = '{DeliveryState.SENT}' THEN :now END,
        begun_at = COALESCE(begun_at, CASE WHEN new_state = '{DeliveryState.UNKNOWN}' THEN :now END)
    FROM {{rows}} WHERE id = delivery_id AND attempt = number AND ({_is_held()})
    RETURNING id, attempt
    """,  # noqa: S608 - names, not values
    **_COLUMNS,
)
_END_ATTEMPTS = RowsStatement(
    """
    UPDATE attempts
    SET finished_at = :now, outcome = r.outcome, code = r.code, error = new_error,
        provider_id = new_provider_id
    FROM {rows} WHERE attempts.delivery_id = r.delivery_id AND attempts.number = r.number
    """,
    **_COLUMNS,
)
_DROP_ATTEMPTS = RowsStatement(
    """
    DELETE FROM attempts
    WHERE EXISTS (
        SELECT 1 FROM {rows} WHERE attempts.delivery_id = r.delivery_id AND attempts.number = r.number
    )
    """,
    **_COLUMNS,
)
_TELL = RowsStatement(
    """
    INSERT INTO events (message_id, delivery_id, at, type, detail)
    SELECT message_id, delivery_id, :now, new_state, new_error FROM {rows}
    """,
    **_COLUMNS,
)


def rung_before(next_attempt_at: int | None, now: int) -> int:
    """When a Delivery counts as rung: before its time, so that the sweep rings when that has come."""
    return now if next_attempt_at is None else min(now, next_attempt_at - 1)


def record(tx: Connection, results: Sequence[Result], now: int) -> list[bool]:
    """Write the results of claims still held; returns for each whether it was."""
    lock_by_id(tx, {r.claim.message_id for r in results})
    rows = [_row(r, now) for r in results]
    moved = {(row.id, row.attempt) for row in _MOVE.run(tx, rows, now=now)}
    held = [row for row in rows if (row["delivery_id"], row["number"]) in moved]
    if held:
        if postponed := [row for row in held if row["place"] is not None]:
            _DROP_ATTEMPTS.run(tx, postponed)
        _END_ATTEMPTS.run(tx, held, now=now)
        _TELL.run(tx, held, now=now)
        refresh_status(tx, {row["message_id"] for row in held})
    return [(r.claim.delivery_id, r.claim.attempt) in moved or _was_reported(tx, r) for r in results]


def _row(result: Result, now: int) -> dict[str, Any]:
    return {
        "delivery_id": result.claim.delivery_id,
        "number": result.claim.attempt,
        "message_id": result.claim.message_id,
        "new_state": result.state,
        "outcome": result.outcome,
        "new_error": result.error,
        "code": result.code,
        "new_provider_id": result.provider_id,
        "next_at": result.next_attempt_at,
        "new_rung_at": rung_before(result.next_attempt_at, now),
        "doubt": int(result.outcome == FailureKind.AMBIGUOUS),
        "new_segments": result.segments,
        "new_encoding": result.encoding,
        "place": None if result.is_attempt else result.next_attempt_at,
    }


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
