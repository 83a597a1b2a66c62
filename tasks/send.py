"""Send: claim → prepare → keep the pace → begin → hand over → record, for a list of ids.

What is alone: find → prepare → keep the pace → claim and begin → hand over → record.
E-mails with attachments given by URL: claim → prepare → fetch → keep the pace → … on the event loop alone, so
that a host that is slow holds up no thread and no list of ids.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from messages.delivery import Channel, Claim, Lease
from messages.errors import AttachmentError, FetchPostponed, RenderPostponed, StoreUnavailable
from messages.outcomes import ActionBy, Failed, FailureKind, Outcome, Sent, not_fetched
from messages.outgoing import OutgoingEmail, OutgoingSms
from messages.segments import segments_of
from messages.store import Claimed, Result
from messages.wording import told
from tasks.follow_up import follow_up, not_begun, postponed
from tasks.pacing import Passage
from tasks.parts import Parts
from tasks.permit import ClaimPermit
from tasks.prepare import Prepared, prepare
from tasks.stopping import Stopped

log = logging.getLogger(__name__)

#: Between two tries to record an outcome while the store is away, in seconds.
STORE_PAUSE = 0.5

#: What came of a hand-over that the worker, being stopped, could not see the end of.
IN_DOUBT = Failed(
    FailureKind.AMBIGUOUS,
    "The worker was stopped before the provider answered; it may have been sent.",
    code="stopped",
    action_by=ActionBy.NOBODY,
)

#: What came of a Delivery that the store kept from being handed over: no number of these makes it fail.
STORE_AWAY = Failed(
    FailureKind.RETRYABLE,
    "The store was unavailable before this attempt began; it was not sent.",
    code="store",
)

#: Stands for the outcome of what waits for its sender's rate; there is none.
_NOT_YET = Failed(
    FailureKind.RETRYABLE, "Its sender's rate does not allow it yet.", action_by=ActionBy.NOBODY
)


def send(parts: Parts, channel: Channel, ids: Sequence[str], *, again: bool = False) -> None:
    """Send those of the Deliveries that wait; the others are somebody else's, or done.

    `again`: whoever was given them before may have died of them.

    No store connection is held while providers are waited for. Raises StoreUnavailable; the sweep
    finds what is then left.
    """
    now = parts.clock()
    if parts.stopping.is_on:
        parts.store.postpone(ids, now)  # to this moment: the next sweep rings for them
        return
    if open_until := parts.circuits[channel].open_until(now):
        parts.store.postpone(ids, open_until)
        return
    if len(ids) == 1 and not again and parts.is_quiet() and _send_alone(parts, channel, ids[0]):
        return
    claimed = parts.claims[channel].submit(ids, partial(_claim, parts, channel), weight=len(ids))
    parts.bridge.start(_attempt(parts, c, _prepare(parts, c)) for c in claimed if _needs_fetch(c))
    parts.bridge.run_all(_attempt(parts, c, _prepare(parts, c)) for c in claimed if not _needs_fetch(c))


def _needs_fetch(found: Claimed) -> bool:
    """Whether files have to be fetched first. Twilio fetches those of an SMS itself."""
    is_email = found.claim.route.channel is Channel.EMAIL
    return is_email and any(attachment.url for attachment in found.content.attachments)


def _send_alone(parts: Parts, channel: Channel, delivery_id: str) -> bool:
    """Send one that is claimed only as it begins: see `messages.store.alone`. False: it has to be before."""
    with parts.alone.enter(delivery_id) as entered:
        if not entered:
            return True  # it is being sent
        found = parts.store.find_alone(delivery_id, channel, _lease(parts))
        if found and _needs_fetch(found):
            return False  # that takes a while, and meanwhile others are not to find it
        if found:
            parts.bridge.run_all([_attempt(parts, found, _prepare(parts, found), is_held=False)])
        return found is not None


def _claim(parts: Parts, channel: Channel, lists: Sequence[Sequence[str]]) -> list[list[Claimed]]:
    """What is claimed of each list; an id that is on several is claimed for the first."""
    ids = {delivery_id for some in lists for delivery_id in some}
    claimed = parts.store.claim(ids, channel, _lease(parts))
    by_id = {one.claim.delivery_id: one for one in claimed}
    return [[by_id.pop(one) for one in some if one in by_id] for some in lists]


def _lease(parts: Parts) -> Lease:
    """From now on, for this process."""
    now = parts.clock()
    return Lease(now, now + parts.lease_ms, parts.worker())


async def _attempt(parts: Parts, found: Claimed, prepared: Prepared, *, is_held: bool = True) -> None:
    """Hand one over, and record what came of it, together with others that end now."""
    text, claim = prepared.body if isinstance(prepared, OutgoingSms) else None, found.claim
    permit = ClaimPermit(parts, claim, text, _passage(parts, claim, prepared), is_held=is_held)
    try:
        async with parts.stopping.watch(permit):
            outcome = await _hand_over(parts, prepared, permit)
    except Stopped:
        if not permit.begun:
            await _record(parts, permit, not_begun(claim, parts.clock()))
            return
        outcome = IN_DOUBT
    except (FetchPostponed, RenderPostponed) as later:
        await _record(parts, permit, postponed(claim, later.until, later.reason))
        return
    else:
        if (until := permit.postponed_until) is not None:
            await _record(parts, permit, postponed(claim, until))
            return
        if _reached_provider(outcome, begun=permit.begun):
            await _report(parts, claim.route.channel, outcome)
    result = follow_up(
        outcome,
        claim,
        now=parts.clock(),
        policy=parts.retries.without_end() if outcome is STORE_AWAY else parts.retries,
        random=parts.random,
        segments=None if text is None else segments_of(text),
        hold_email=parts.hold_email,
        ask_after=parts.asking.settle_ms,
    )
    await _record(parts, permit, result)


def _reached_provider(outcome: Outcome, *, begun: bool) -> bool:
    """Whether it tells anything of the provider, which may never have heard of it."""
    if isinstance(outcome, Sent) or outcome.provider_trouble:
        return True
    return begun and not outcome.unforeseen


async def _report(parts: Parts, channel: Channel, outcome: Outcome) -> None:
    """Tell the provider's circuit, and people when that opens or closes it."""
    change = parts.circuits[channel].report(outcome, parts.clock())
    if change is None:
        return
    if change.open_until:
        log.warning("Nothing is sent by %s for a while: %s", channel, change.reason)
    else:
        log.warning("Sending by %s again.", channel)
    with suppress(StoreUnavailable):
        await asyncio.to_thread(parts.store.note_circuit, channel, change, parts.clock())


async def _record(parts: Parts, permit: ClaimPermit, result: Result) -> None:
    """Keep at it while the store is away, as long as the claim is held: nobody else knows the outcome."""
    while True:
        try:
            if not permit.is_held and not await permit.take():
                return  # somebody else has it, under the same number
            held = await parts.progress.record(result)
        except StoreUnavailable:
            if parts.clock() >= result.claim.lease.until or parts.stopping.is_over:
                raise
            await asyncio.sleep(STORE_PAUSE)
        else:
            if not held:
                log.warning(
                    "%s: its claim was lost before this outcome, or it is recorded.", result.claim.delivery_id
                )
            return


async def _hand_over(parts: Parts, prepared: Prepared, permit: ClaimPermit) -> Outcome:
    """Fetch what has to be fetched, keep the pace, and hand over. Raises FetchPostponed, RenderPostponed."""
    try:
        if not isinstance(prepared, OutgoingEmail) or all(a.url is None for a in prepared.attachments):
            return await _let_through(parts, prepared, permit)
        async with parts.fetcher.fetched(prepared.attachments, permit) as files:
            return await _let_through(parts, replace(prepared, attachments=files), permit)
    except (FetchPostponed, RenderPostponed):
        raise
    except AttachmentError as error:
        return not_fetched(error)
    except StoreUnavailable:  # it was not begun
        return STORE_AWAY
    except Exception as error:  # noqa: BLE001 - a bug, and it ends this Delivery only
        return _unclassified(error, FailureKind.AMBIGUOUS if permit.begun else FailureKind.PERMANENT)


async def _let_through(parts: Parts, prepared: Prepared, permit: ClaimPermit) -> Outcome:
    if permit.passage is not None and not await permit.passage.wait():
        return _NOT_YET
    match prepared:
        case OutgoingSms():
            return await parts.sms.send(prepared, permit)
        case OutgoingEmail():
            return await parts.email.send(prepared, permit)
        case Failed():
            return prepared
        case RenderPostponed():
            raise prepared


def _passage(parts: Parts, claim: Claim, prepared: Prepared) -> Passage | None:
    demand = None if isinstance(prepared, Failed | RenderPostponed) else parts.pace.demand(prepared)
    return None if demand is None else Passage(parts.pace, demand, placed=claim.placed)


def _prepare(parts: Parts, claimed: Claimed) -> Prepared:
    try:
        return prepare(parts, claimed)
    except StoreUnavailable:
        return STORE_AWAY
    except Exception as error:  # noqa: BLE001 - likewise
        return _unclassified(error, FailureKind.PERMANENT)


def _unclassified(error: Exception, kind: FailureKind) -> Failed:
    """Never a hot loop; and without the error's text, which may hold what was sent."""
    log.error("Nobody classified %s", told(error))
    reason = f"An error nobody classified ({type(error).__name__}); it was not tried again."
    return Failed(kind, reason, code="unclassified", unforeseen=True)
