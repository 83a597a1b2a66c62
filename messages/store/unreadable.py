"""A Message that cannot be read would be met again and again: it fails, and holds up none beside it."""

import logging
from collections.abc import Sequence

from messages.delivery import Channel, Claim, Lease
from messages.errors import StoreUnavailable
from messages.outcomes import ActionBy, FailureKind
from messages.states import DeliveryState
from messages.store import alone
from messages.store.claiming import Claimed, claim_unread, claim_waiting
from messages.store.database import Database
from messages.store.progress import write_progress
from messages.store.recording import Result
from messages.wording import told

log = logging.getLogger(__name__)


def claim_readable(database: Database, ids: Sequence[str], channel: Channel, lease: Lease) -> list[Claimed]:
    """Claim these, as `claiming` says; fail what cannot be read. Raises StoreUnavailable."""
    try:
        return claim_waiting(database, ids, channel, lease)
    except StoreUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, one of these has it
        cause = error
    if len(ids) <= 1:
        _fail(database, ids, channel, lease, cause)
        return []
    middle = len(ids) // 2
    return [
        claimed
        for half in (ids[:middle], ids[middle:])
        for claimed in claim_readable(database, half, channel, lease)
    ]


def find_readable(database: Database, delivery_id: str, channel: Channel, lease: Lease) -> Claimed | None:
    """As `alone` says; None also where it cannot be read: whoever claims it fails it."""
    try:
        return alone.find(database, delivery_id, channel, lease)
    except StoreUnavailable:
        raise
    except Exception:  # noqa: BLE001 - whatever it is
        return None


def _fail(database: Database, ids: Sequence[str], channel: Channel, lease: Lease, cause: Exception) -> None:
    claims = claim_unread(database, ids, channel, lease)
    results = [_unreadable(one, cause) for one in claims]
    _, recorded = write_progress(database, (), results, lease.since)
    for result, written in zip(results, recorded, strict=True):
        if written:
            log.error("Failed, as it cannot be read: %s (%s)", result.claim.delivery_id, told(cause))


def _unreadable(one: Claim, cause: Exception) -> Result:
    reason = f"The Message cannot be read from the store ({type(cause).__name__}); it was not sent."
    return Result(
        one,
        DeliveryState.FAILED,
        FailureKind.PERMANENT,
        error=reason,
        code="unreadable",
        action_by=ActionBy.OPERATOR,
    )
