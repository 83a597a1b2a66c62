"""Recording: what came of attempts. Writes name the attempt number, so a stale worker writes nothing."""

from dataclasses import dataclass
from typing import Any

from messages.delivery import Claim
from messages.outcomes import ActionBy, FailureKind
from messages.states import DeliveryState, sources_of
from messages.store.procedure import Step
from messages.store.status import LOCK_ROWS, REFRESH_ROWS


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one attempt, and what follows for its Delivery."""

    claim: Claim
    state: DeliveryState  #: the Delivery's next state
    outcome: str  #: of the attempt: sent, retryable, permanent, ambiguous; or POSTPONED: it was none
    error: str | None = None  #: a sentence
    code: str | None = None  #: the provider's
    action_by: ActionBy | None = None  #: who has to act; None where it was sent
    detail: str | None = None  #: a sentence for its event, where there is no error
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
    # What was sent is sent, also where it was held for not sent meanwhile and waits to be sent again. Nor is
    # anything sent again to a recipient who opted out.
    certain = after in (DeliveryState.SENT, DeliveryState.SUPPRESSED)
    return (_HELD | {DeliveryState.QUEUED} if certain else _HELD) & sources_of(after)


def _is_held() -> str:
    """The fence: no later attempt has begun, and the state may still become the new one."""
    moves = (
        (after, ", ".join(f"'{before}'" for before in sorted(_sources(after)))) for after in DeliveryState
    )
    return " OR ".join(
        f"(r.new_state = '{after}' AND state IN ({before}))" for after, before in moves if before
    )


_COLUMNS = {
    "delivery_id": "varchar",
    "number": "integer",
    "message_id": "varchar",
    "new_state": "varchar",
    "new_outcome": "varchar",
    "new_error": "text",
    "new_code": "varchar",
    "new_action_by": "varchar",
    "new_detail": "text",
    "new_provider_id": "varchar",
    "next_at": "bigint",
    "new_rung_at": "bigint",
    "doubt": "integer",
    "new_segments": "integer",
    "new_encoding": "varchar",
    "line_place": "bigint",
}

# A claim that was no attempt is not counted: the next one is the first since then, if this was.
# What may have been sent counts from now where, through a bug, it was not marked as begun.
_MOVE = f"""
    UPDATE deliveries SET
        state = r.new_state, lease_until = NULL, next_attempt_at = r.next_at, rung_at = r.new_rung_at,
        provider_id = r.new_provider_id, segments = r.new_segments, encoding = r.new_encoding,
        error = r.new_error, doubts = doubts + r.doubt, place_at = r.line_place,
        first_attempt = CASE
            WHEN r.line_place IS NULL THEN first_attempt WHEN first_attempt < attempt THEN first_attempt + 1
        END,
        first_attempt_at = CASE
            WHEN r.line_place IS NULL OR first_attempt < attempt THEN first_attempt_at
        END,
        sent_at = CASE
            WHEN r.new_state IN ('{DeliveryState.SENT}', '{DeliveryState.UNDELIVERED}') THEN r.now
        END,
        begun_at = COALESCE(begun_at, CASE WHEN r.new_state = '{DeliveryState.UNKNOWN}' THEN r.now END)
    {{rows}} WHERE id = r.delivery_id AND attempt = r.number AND ({_is_held()})
"""  # noqa: S608 - names, not values
_END_ATTEMPTS = """
    UPDATE attempts SET
        finished_at = r.now, outcome = r.new_outcome, code = r.new_code, error = r.new_error,
        provider_id = r.new_provider_id, action_by = r.new_action_by
    {rows}
    WHERE attempts.delivery_id = r.delivery_id AND attempts.number = r.number AND r.line_place IS NULL
"""
_DROP_ATTEMPTS = """
    DELETE FROM attempts WHERE (delivery_id, number) IN (
        SELECT r.delivery_id, r.number {rows} WHERE r.line_place IS NOT NULL
    )
"""
_TELL = """
    INSERT INTO events (message_id, delivery_id, at, type, detail)
    SELECT r.message_id, r.delivery_id, r.now, r.new_state, r.new_detail {rows}
"""

#: Write the results of claims still held. Its parameter is `now`.
RECORD = Step(_COLUMNS, _MOVE, [_END_ATTEMPTS, _DROP_ATTEMPTS, _TELL], LOCK_ROWS, REFRESH_ROWS)


#: Twilio's own report of an SMS may come first: then only what that cannot know is added.
ADD_SEGMENTS = Step(
    _COLUMNS,
    """
    UPDATE deliveries SET segments = r.new_segments, encoding = r.new_encoding
    {rows}
    WHERE id = r.delivery_id AND attempt = r.number AND provider_id = r.new_provider_id AND segments IS NULL
    """,
)


def rung_before(next_attempt_at: int | None, now: int) -> int:
    """When a Delivery counts as rung: before its time, so that the sweep rings when that has come."""
    return now if next_attempt_at is None else min(now, next_attempt_at - 1)


def row(result: Result, now: int) -> dict[str, Any]:
    """What RECORD is given."""
    return {
        "delivery_id": result.claim.delivery_id,
        "number": result.claim.attempt,
        "message_id": result.claim.message_id,
        "new_state": result.state,
        "new_outcome": result.outcome,
        "new_error": result.error,
        "new_code": result.code,
        "new_action_by": result.action_by,
        "new_detail": result.error or result.detail,
        "new_provider_id": result.provider_id,
        "next_at": result.next_attempt_at,
        "new_rung_at": rung_before(result.next_attempt_at, now),
        "doubt": int(result.outcome == FailureKind.AMBIGUOUS),
        "new_segments": result.segments,
        "new_encoding": result.encoding,
        "line_place": None if result.is_attempt else result.next_attempt_at,
    }
