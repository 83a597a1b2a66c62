"""Whether and when to try again: a pure decision."""

from collections.abc import Callable
from dataclasses import dataclass

from messages.outcomes import Failed


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential waits with full jitter, bounded by age. All in seconds."""

    base_seconds: float
    max_seconds: float
    max_age_seconds: float


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Another attempt, at this instant (ms since the epoch)."""

    at: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No further attempt, and why."""

    reason: str


def decide(
    failed: Failed,
    *,
    attempt: int,
    first_attempt_at: int,
    now: int,
    policy: RetryPolicy,
    random: Callable[[], float],
) -> TryAgain | GiveUp:
    """After attempt number `attempt` failed at `now`, having first been tried at `first_attempt_at`.

    The wait is a random part of `base · 2^(attempt-1)`, at most `max_seconds`; a provider that
    asked for a longer one gets it. `random` gives numbers in [0, 1).
    """
    ceiling = min(policy.base_seconds * 2 ** min(attempt - 1, 40), policy.max_seconds)
    wait = max(ceiling * random(), failed.retry_after or 0)
    at = now + int(wait * 1000)
    if at - first_attempt_at > policy.max_age_seconds * 1000:
        hours = policy.max_age_seconds / 3600
        return GiveUp(f"{failed.reason} Given up after {attempt} attempts in {hours:g} h.")
    return TryAgain(at)
