"""Send: claim → prepare → hand over → record, for a list of ids."""

import logging
import traceback
from collections.abc import Sequence

from messages.delivery import Channel
from messages.errors import StoreUnavailable
from messages.outcomes import Failed, FailureKind, Outcome
from messages.outgoing import OutgoingEmail, OutgoingSms
from messages.segments import segments_of
from messages.store import Claimed, Result
from tasks.follow_up import follow_up
from tasks.parts import Parts
from tasks.prepare import prepare

log = logging.getLogger(__name__)


def send(parts: Parts, channel: Channel, ids: Sequence[str]) -> None:
    """Send those of the Deliveries that wait; the others are somebody else's, or done.

    No store connection is held while providers are waited for. Outcomes are recorded in groups,
    soon after they are known. Raises StoreUnavailable; the sweep finds what is then left.
    """
    now = parts.clock()
    claimed = parts.store.claim(ids, channel, now=now, lease_until=now + parts.lease_ms)
    for results in parts.bridge.gather(_attempt(parts, c, _prepare(parts, c)) for c in claimed):
        parts.store.record(results, parts.clock())


async def _attempt(parts: Parts, claimed: Claimed, prepared: OutgoingSms | OutgoingEmail | Failed) -> Result:
    """Hand it over, if that can be begun early enough to end under the lease."""
    outcome = await _hand_over(parts, prepared, claimed.claim.lease_until - parts.hand_over_ms)
    segments = segments_of(prepared.body) if isinstance(prepared, OutgoingSms) else None
    return follow_up(
        outcome,
        claimed.claim,
        now=parts.clock(),
        policy=parts.retries,
        random=parts.random,
        segments=segments,
    )


async def _hand_over(parts: Parts, prepared: OutgoingSms | OutgoingEmail | Failed, begin_by: int) -> Outcome:
    try:
        match prepared:
            case OutgoingSms():
                return await parts.sms.send(prepared, begin_by)
            case OutgoingEmail():
                return await parts.email.send(prepared, begin_by)
            case Failed():
                return prepared
    except Exception as error:  # noqa: BLE001 - a bug, and it ends this Delivery only
        # An SMS may be out already, and must not go out twice: it becomes `unknown`.
        sms = isinstance(prepared, OutgoingSms)
        return _unclassified(error, FailureKind.AMBIGUOUS if sms else FailureKind.PERMANENT)


def _prepare(parts: Parts, claimed: Claimed) -> OutgoingSms | OutgoingEmail | Failed:
    try:
        return prepare(parts, claimed)
    except StoreUnavailable as error:
        return Failed(FailureKind.RETRYABLE, str(error))
    except Exception as error:  # noqa: BLE001 - likewise
        return _unclassified(error, FailureKind.PERMANENT)


def _unclassified(error: Exception, kind: FailureKind) -> Failed:
    """Never a hot loop; and without the error's text, which may hold what was sent."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    log.error("Nobody classified %s at %s:%s", type(error).__name__, where.filename, where.lineno)
    reason = f"An error nobody classified ({type(error).__name__}); it was not tried again."
    return Failed(kind, reason, code="unclassified")
