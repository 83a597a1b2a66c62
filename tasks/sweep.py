"""Sweep: the round that finds what was left behind. Every worker makes it; any number may at once."""

import logging

from messages.delivery import Lane, Waiting
from messages.store import SWEEP_LIMIT
from tasks.clocks import clock_agrees
from tasks.parts import Parts

log = logging.getLogger(__name__)

#: Between a Delivery's acceptance and its ring lies no more than this, in ms.
LOST_AFTER = 3000

#: How often one round goes on at once where there is more: what a broker lost is enqueued within seconds.
MOST_PASSES = 20


def sweep(parts: Parts) -> int:
    """One round; returns how many Deliveries were enqueued again. Raises StoreUnavailable."""
    lost_before = _lost_before(parts)
    rung, voiding = 0, clock_agrees(parts)
    for _ in range(MOST_PASSES):
        waiting = _pass(parts, lost_before, voiding=voiding)
        rung += len(waiting)
        if not waiting or not parts.doorbell.ring(waiting) or len(waiting) < SWEEP_LIMIT:
            break
    if rung:
        log.info("The sweep enqueued %d deliveries again.", rung)
    return rung


def _pass(parts: Parts, lost_before: dict[Lane, int], *, voiding: bool) -> Waiting:
    now = parts.clock()
    return parts.store.sweep(
        now,
        lost_before,
        now - int(parts.retries.max_age_seconds * 1000),
        max_attempts=parts.retries.max_attempts,
        hold_email=parts.hold_email,
        ask_after=parts.asking.settle_ms,
        clock=parts.clock,
        voiding=voiding,
    )


def _lost_before(parts: Parts) -> dict[Lane, int]:
    """By lane: what was rung before this time and still waits has lost its queue entry.

    A queue gives out what it was given first, so what is next tells how far it has come: whatever was
    rung a good while before that is no longer in it. Of what came later, a backlog, nothing is lost.
    """
    now = parts.clock()
    try:
        next_since = parts.doorbell.next_since(list(Lane))
    except Exception as error:  # noqa: BLE001 - kombu and redis raise many; all mean the same here
        log.warning("The broker does not answer (%s).", type(error).__name__)
        return {}
    return {
        lane: (now if since is None else min(now, since)) - LOST_AFTER for lane, since in next_since.items()
    }
