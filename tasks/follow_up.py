"""What follows from an attempt's outcome for its Delivery: a pure decision."""

from collections.abc import Callable

from messages.delivery import MOST_DOUBTS, Channel, Claim
from messages.outcomes import ActionBy, Failed, FailureKind, Outcome, Sent
from messages.retry import Expire, GiveUp, RetryPolicy, decide
from messages.segments import Segments
from messages.states import DeliveryState
from messages.store import Result
from messages.store.recording import POSTPONED

_STOPPED = "The worker was stopped before it began this attempt; it was not sent."
_WAITS = "It waits for its turn: its sender may send so much a second and no more."


def follow_up(
    outcome: Outcome,
    claim: Claim,
    *,
    now: int,
    policy: RetryPolicy,
    random: Callable[[], float],
    segments: Segments | None = None,
    hold_email: bool = False,
    ask_after: int = 0,
) -> Result:
    """The Result to record.

    `segments` are those of the SMS that was tried, None for e-mail. `hold_email`: what may have been sent
    is not sent again; neither is an e-mail that was in doubt too often, or for a reason nobody foresaw.
    `ask_after`: ms from `now` until the provider of an SMS in doubt is asked, so that it has had the time
    to list what it took late.
    """
    encoding = segments.encoding if segments else None
    count = segments.count if segments else None
    if isinstance(outcome, Sent):
        return Result(
            claim,
            DeliveryState.SENT,
            "sent",
            provider_id=outcome.provider_id,
            segments=count,
            encoding=encoding,
            detail=outcome.warning,
        )
    hold = hold_email or outcome.unforeseen or claim.route.channel is Channel.SMS
    if outcome.kind is FailureKind.AMBIGUOUS and (hold or claim.doubts + 1 >= MOST_DOUBTS):
        asked_at = now + ask_after if claim.route.channel is Channel.SMS else None
        state, at, error = DeliveryState.UNKNOWN, asked_at, outcome.reason
    else:
        state, at, error = _after_failure(outcome, claim, now, policy, random)
    return Result(
        claim,
        state,
        "sent" if outcome.undelivered else outcome.kind,
        error=error,
        code=outcome.code,
        action_by=_action_by(outcome, state, claim.route.channel),
        provider_id=outcome.provider_id,
        next_attempt_at=at,
        segments=count,
        encoding=encoding,
    )


def not_begun(claim: Claim, now: int) -> Result:
    """The Result of a claim that is given back, since the worker is to stop: another may have it at once."""
    return Result(
        claim,
        DeliveryState.QUEUED,
        FailureKind.RETRYABLE,
        error=_STOPPED,
        action_by=ActionBy.NOBODY,
        next_attempt_at=now,
    )


def postponed(claim: Claim, until: int, reason: str = _WAITS) -> Result:
    """The Result of a claim that may not go on before `until`: no attempt is spent."""
    return Result(claim, DeliveryState.QUEUED, POSTPONED, error=reason, next_attempt_at=until)


def _action_by(failed: Failed, state: DeliveryState, channel: Channel) -> ActionBy:
    """Who has to act: waiting is not enough once the tries are used up, or for an e-mail that is held."""
    held = state is DeliveryState.UNKNOWN and channel is Channel.EMAIL
    stays = held or state is DeliveryState.FAILED
    return ActionBy.OPERATOR if stays and failed.action_by is ActionBy.NOBODY else failed.action_by


def _after_failure(
    failed: Failed, claim: Claim, now: int, policy: RetryPolicy, random: Callable[[], float]
) -> tuple[DeliveryState, int | None, str]:
    if failed.opted_out:
        return DeliveryState.SUPPRESSED, None, failed.reason
    if failed.undelivered:
        return DeliveryState.UNDELIVERED, None, failed.reason
    if failed.kind is FailureKind.PERMANENT:
        return DeliveryState.FAILED, None, failed.reason
    # An ambiguous e-mail goes out again: under the same Message-ID, a second copy can be told as one.
    decision = decide(failed, claim.tries, now=now, policy=policy, random=random)
    match decision:
        case GiveUp():
            return DeliveryState.FAILED, None, decision.reason
        case Expire():
            return DeliveryState.EXPIRED, None, decision.reason
    return DeliveryState.QUEUED, decision.at, failed.reason
