"""Bury: what dead workers had claimed and not begun is free at once, without waiting for its lease."""

import logging
from collections.abc import Collection

from messages.errors import StoreUnavailable
from messages.wording import told
from tasks.parts import Parts

log = logging.getLogger(__name__)


def bury(parts: Parts, workers: Collection[str]) -> None:
    """Queue it again; the next sweep rings for it. Raises StoreUnavailable."""
    now = parts.clock()
    give_up_before = now - int(parts.retries.max_age_seconds * 1000)
    try:
        parts.store.void_unbegun(workers, now, give_up_before, max_attempts=parts.retries.max_attempts)
    except StoreUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 - their leases run out, and what else they held is more urgent
        log.error("Nobody classified %s", told(error))  # noqa: TRY400
