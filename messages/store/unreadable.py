"""A Message that cannot be read would be met again and again: it fails, and holds up none beside it."""

import logging
from collections.abc import Sequence

from messages.delivery import Channel, Claim
from messages.errors import StoreUnavailable
from messages.outcomes import FailureKind
from messages.states import DeliveryState
from messages.store import alone
from messages.store.claiming import Claimed, claim_unread, claim_waiting
from messages.store.database import Database
from messages.store.progress import write_progress
from messages.store.recording import Result
from messages.wording import told

log = logging.getLogger(__name__)


def claim_readable(
    database: Database,
    ids: Sequence[str],
    channel: Channel,
    *,
    now: int,
    lease_until: int,
    worker: str | None = None,
) -> list[Claimed]:
    """Claim these, as `claiming` says; fail what cannot be read. Raises StoreUnavailable."""
    try:
        return claim_waiting(database, ids, channel, now=now, lease_until=lease_until, worker=worker)
    except StoreUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, one of these has it
        cause = error
    if len(ids) <= 1:
        _fail(database, ids, channel, cause, now=now, lease_until=lease_until)
        return []
    middle = len(ids) // 2
    return [
        claimed
        for half in (ids[:middle], ids[middle:])
        for claimed in claim_readable(
            database, half, channel, now=now, lease_until=lease_until, worker=worker
        )
    ]


def find_readable(
    database: Database, delivery_id: str, channel: Channel, *, now: int, lease_until: int, worker: str | None
) -> Claimed | None:
    """As `alone` says; None also where it cannot be read: whoever claims it fails it."""
    try:
        return alone.find(database, delivery_id, channel, now=now, lease_until=lease_until, worker=worker)
    except StoreUnavailable:
        raise
    except Exception:  # noqa: BLE001 - whatever it is
        return None


def _fail(
    database: Database, ids: Sequence[str], channel: Channel, cause: Exception, *, now: int, lease_until: int
) -> None:
    claims = claim_unread(database, ids, channel, now=now, lease_until=lease_until)
    results = [_unreadable(one, cause) for one in claims]
    _, recorded = write_progress(database, (), results, now)
    for result, written in zip(results, recorded, strict=True):
        if written:
            log.error("Failed, as it cannot be read: %s (%s)", result.claim.delivery_id, told(cause))


def _unreadable(one: Claim, cause: Exception) -> Result:
    reason = f"The Message cannot be read from the store ({type(cause).__name__}); it was not sent."
    return Result(one, DeliveryState.FAILED, FailureKind.PERMANENT, error=reason, code="unreadable")
