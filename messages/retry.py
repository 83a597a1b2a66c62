"""Whether and when to try again: a pure decision."""

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace

from messages.outcomes import Failed


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential waits with full jitter, bounded by age and by number. Times in seconds."""

    base_seconds: float
    max_seconds: float
    max_age_seconds: float
    max_attempts: int

    def without_end(self) -> "RetryPolicy":
        """The same waits, however often and for however long: for a failure that is not the Message's."""
        return replace(self, max_age_seconds=math.inf, max_attempts=sys.maxsize)


@dataclass(frozen=True, slots=True)
class Tries:
    """What was tried so far. A Delivery that was redriven begins anew."""

    count: int  #: attempts, the one that failed just now included
    first_at: int  #: when the first of them began, in ms since the epoch
    expires_at: int | None = None  #: ms since the epoch; from then on it is not worth sending


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Another attempt, at this instant (ms since the epoch)."""

    at: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No further attempt, and why: tried too often, or for too long."""

    reason: str


@dataclass(frozen=True, slots=True)
class Expire:
    """No further attempt, and why: the next one would come too late to be worth sending."""

    reason: str


Decision = TryAgain | GiveUp | Expire


def decide(
    failed: Failed, tries: Tries, *, now: int, policy: RetryPolicy, random: Callable[[], float]
) -> Decision:
    """What follows an attempt that failed at `now`. `random` gives numbers in [0, 1).

    The wait is a random part of `base · 2^(tries-1)`, at most `max_seconds`; a provider that
    asked for a longer one gets it.
    """
    so_far = f"after {tries.count} attempt{'s' if tries.count > 1 else ''}"
    if tries.count >= policy.max_attempts:
        return GiveUp(f"{failed.reason} Given up {so_far}.")
    ceiling = min(policy.base_seconds * 2 ** min(tries.count - 1, 40), policy.max_seconds)
    wait = max(ceiling * random(), failed.retry_after or 0)
    at = now + int(wait * 1000)
    if tries.expires_at is not None and at >= tries.expires_at:
        return Expire(f"{failed.reason} It would expire before its next attempt.")
    if at - tries.first_at > policy.max_age_seconds * 1000:
        return GiveUp(f"{failed.reason} Given up {so_far} in {policy.max_age_seconds / 3600:g} h.")
    return TryAgain(at)
