"""Sweep: the round that finds what was left behind. Every worker makes it; any number may at once."""

import logging

from messages.delivery import Channel
from messages.store import SWEEP_LIMIT
from tasks.parts import Parts

log = logging.getLogger(__name__)

#: A Delivery that waits this long beside an empty queue has lost its queue entry, in ms.
LOST_AFTER = 5000


def sweep(parts: Parts) -> int:
    """One round; returns how many Deliveries were enqueued again. Raises StoreUnavailable."""
    now = parts.clock()
    lost_before = dict.fromkeys(_idle_channels(parts), now - LOST_AFTER)
    give_up_before = now - int(parts.retries.max_age_seconds * 1000)
    waiting = parts.store.sweep(
        now,
        lost_before,
        give_up_before,
        max_attempts=parts.retries.max_attempts,
        hold_email=parts.hold_email,
    )
    if waiting:
        parts.doorbell.ring(waiting)
        log.info("The sweep enqueued %d deliveries again%s.", len(waiting), _and_more(len(waiting)))
    return len(waiting)


def _idle_channels(parts: Parts) -> list[Channel]:
    """Channels whose queue is empty. A queue that is not is a backlog: nothing of it is lost."""
    try:
        return [channel for channel in Channel if parts.doorbell.waiting(channel) == 0]
    except Exception as error:  # noqa: BLE001 - kombu and redis raise many; all mean the same here
        log.warning("The broker does not answer (%s).", type(error).__name__)
        return []


def _and_more(count: int) -> str:
    return ", and there are more" if count == SWEEP_LIMIT else ""
