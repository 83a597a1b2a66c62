"""Settling: what became of an SMS in doubt, by what its provider lists."""

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    case,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from messages.delivery import Channel
from messages.outcomes import ActionBy, FailureKind
from messages.reconciliation import (
    ABSENT,
    AFTER_MS,
    Absent,
    AskPolicy,
    CannotTell,
    Found,
    Listed,
    Rivals,
    Unsettled,
    Verdict,
    judge,
    relevant,
)
from messages.retry import Decision, Expire, Tries, TryAgain
from messages.states import DeliveryState
from messages.store.schema import Moment, attempts, deliveries, events, in_state, moment
from messages.store.status import lock_messages, refresh_status

_LAST_ATTEMPT = and_(attempts.c.delivery_id == deliveries.c.id, attempts.c.number == deliveries.c.attempt)
_FOUND = "Twilio was asked, and has it."


def any_due(tx: Connection, now: int, policy: AskPolicy) -> bool:
    """Whether `take_due` would find any."""
    begun_until, begun_after = now - policy.settle_ms, now - policy.max_age_ms
    given = {"now": now, "begun_until": begun_until, "begun_after": begun_after}
    return tx.execute(_any_due(), given).first() is not None


@cache
def _any_due() -> Select[tuple[str]]:
    """Put together once, as it is asked every second."""
    due = _due(moment("now"), moment("begun_until"), moment("begun_after"))
    return select(deliveries.c.id).where(due).limit(1)


def take_due(tx: Connection, now: int, policy: AskPolicy, limit: int) -> list[Unsettled]:
    """Those to ask about now; nobody else is given them, and they come up again after a doubled pause.

    The longest due first: those about which nobody can tell would otherwise keep all others waiting.
    """
    due_since = func.coalesce(deliveries.c.next_attempt_at, deliveries.c.begun_at)
    which = _due(now, now - policy.settle_ms, now - policy.max_age_ms)
    due = select(deliveries.c.id).where(which).order_by(due_since).limit(limit)
    ids = list(tx.execute(due.with_for_update(skip_locked=True)).scalars())
    age_doubled = 2 * now - deliveries.c.begun_at
    latest = now + policy.max_pause_ms
    taken = tx.execute(
        update(deliveries)
        .where(deliveries.c.id.in_(ids))
        .values(next_attempt_at=case((age_doubled > latest, latest), else_=age_doubled))
        .returning(deliveries)
    ).all()
    hashes = _text_hashes(tx, [row.id for row in taken])
    return [
        Unsettled(row.id, row.recipient, row.attempt, _tries(row), row.begun_at, hashes[row.id])
        for row in taken
    ]


def settle(tx: Connection, asked: Unsettled, listed: Sequence[Listed], again: Decision, now: int) -> Verdict:
    """Judge by what the provider listed, and move the Delivery; `again` follows where it was not sent."""
    lock_messages(tx, [asked.delivery_id])
    # Whoever else is in doubt about the same messages waits here. What is on the wire is read before what
    # is taken: a send that is recorded in between is then seen as one or the other.
    tx.execute(
        select(deliveries.c.id)
        .where(in_state(DeliveryState.UNKNOWN), deliveries.c.recipient == asked.recipient)
        .order_by(deliveries.c.id)
        .with_for_update()
    )
    rivals = _rivals(tx, asked)
    known = taken(tx, [m.provider_id for m in relevant(asked, listed)])
    verdict = judge(asked, listed, taken=known, rivals=rivals)
    _apply(tx, asked, verdict, again, now)
    return verdict


def note_in_doubt(tx: Connection, asked: Unsettled, reason: str) -> None:
    """It stays `unknown`: say why."""
    tx.execute(update(deliveries).where(_still_in_doubt(asked)).values(error=reason))


def _tries(row: Any) -> Tries:
    return Tries(row.attempt - row.first_attempt + 1, row.first_attempt_at, row.expires_at)


def _due(now: Moment, begun_until: Moment, begun_after: Moment) -> ColumnElement[bool]:
    return and_(
        in_state(DeliveryState.UNKNOWN),
        deliveries.c.channel == Channel.SMS,
        deliveries.c.begun_at <= begun_until,
        deliveries.c.begun_at > begun_after,
        or_(deliveries.c.next_attempt_at.is_(None), deliveries.c.next_attempt_at <= now),
    )


def _text_hashes(tx: Connection, ids: Collection[str]) -> dict[str, str | None]:
    found = select(deliveries.c.id, attempts.c.text_hash).join(attempts, _LAST_ATTEMPT)
    return {row.id: row.text_hash for row in tx.execute(found.where(deliveries.c.id.in_(ids)))}


def _rivals(tx: Connection, asked: Unsettled) -> Rivals:
    rows = tx.execute(
        select(deliveries.c.state)
        .join(attempts, _LAST_ATTEMPT)
        .where(
            or_(in_state(DeliveryState.UNKNOWN), in_state(DeliveryState.SENDING)),
            deliveries.c.recipient == asked.recipient,
            deliveries.c.begun_at.between(asked.since - AFTER_MS, asked.since + AFTER_MS),
            deliveries.c.id != asked.delivery_id,
            attempts.c.text_hash == asked.text_hash,
        )
    )
    states = [row.state for row in rows]
    unknown = states.count(DeliveryState.UNKNOWN)
    return Rivals(unknown=unknown, under_way=len(states) - unknown)


def taken(tx: Connection, provider_ids: Collection[str], but: str = "") -> set[str]:
    """Those that SMS have for their own. The channel is written out, for the sake of the partial index."""
    sms = deliveries.c.channel == literal(Channel.SMS.value, literal_execute=True)
    found = select(deliveries.c.provider_id).where(sms, deliveries.c.provider_id.in_(provider_ids))
    current = set(tx.execute(found.where(deliveries.c.id != but)).scalars())
    return current | failed_there(tx, provider_ids, but)


def failed_there(tx: Connection, provider_ids: Collection[str], but: str = "") -> set[str]:
    """Those of attempts that the provider took and could not deliver; they may have been redriven since."""
    permanent = attempts.c.outcome == literal(FailureKind.PERMANENT.value, literal_execute=True)
    found = select(attempts.c.provider_id).where(permanent, attempts.c.provider_id.in_(provider_ids))
    return set(tx.execute(found.where(attempts.c.delivery_id != but)).scalars())


def _apply(tx: Connection, asked: Unsettled, verdict: Verdict, again: Decision, now: int) -> None:
    which = _still_in_doubt(asked)
    match verdict:
        case Found():
            note_found(tx, which, verdict, now)
        case CannotTell(reason):
            note_in_doubt(tx, asked, reason)
        case Absent():
            _not_sent(tx, which, again, now)


def note_found(tx: Connection, which: ColumnElement[bool], found: Found, now: int) -> None:
    """The provider has it, or had it and could not deliver it."""
    if found.ended is None:
        values = as_sent(found.provider_id, found.at)
        advance(tx, which, DeliveryState.SENT, values, detail=_FOUND, now=now)
        return
    after, reason = found.ended.state, found.ended.reason
    left = after is DeliveryState.UNDELIVERED
    at = func.coalesce(deliveries.c.sent_at, found.at) if left else None
    values = as_sent(found.provider_id, at) | {"error": reason}
    outcome = {
        "outcome": "sent" if left else FailureKind.PERMANENT,
        "code": found.ended.code,
        "action_by": found.ended.action_by,
    }
    advance(tx, which, after, values, detail=reason, now=now, attempt=outcome)


def _not_sent(tx: Connection, which: ColumnElement[bool], again: Decision, now: int) -> None:
    if isinstance(again, TryAgain):
        # Its time lies after its last ring: it is rung once the time has come.
        values = {"next_attempt_at": again.at, "rung_at": now - 1, "error": ABSENT}
        advance(tx, which, DeliveryState.QUEUED, values, detail=ABSENT, now=now)
        return
    after = DeliveryState.EXPIRED if isinstance(again, Expire) else DeliveryState.FAILED
    values = {"next_attempt_at": None, "error": again.reason}
    advance(tx, which, after, values, detail=again.reason, now=now)


def _action_after(after: DeliveryState) -> ActionBy:
    """Who has to act on what was not sent: nobody while it is tried again."""
    return ActionBy.NOBODY if after is DeliveryState.QUEUED else ActionBy.OPERATOR


def _still_in_doubt(asked: Unsettled) -> ColumnElement[bool]:
    return and_(
        deliveries.c.id == asked.delivery_id,
        deliveries.c.attempt == asked.attempt,
        in_state(DeliveryState.UNKNOWN),
    )


def as_sent(provider_id: str, at: int | ColumnElement[int] | None) -> dict[str, Any]:
    """What a Delivery has recorded once its provider turned out to have it."""
    return {"provider_id": provider_id, "sent_at": at, "next_attempt_at": None, "error": None}


def advance(
    tx: Connection,
    which: ColumnElement[bool],
    after: DeliveryState,
    values: dict[str, Any],
    *,
    detail: str,
    now: int,
    attempt: dict[str, Any] | None = None,
) -> bool:
    """Move one Delivery, and say in its last attempt what came of that; `attempt`: if not just that."""
    row = tx.execute(
        update(deliveries)
        .where(which)
        .values(state=after, lease_until=None, **values)
        .returning(deliveries.c.id, deliveries.c.message_id, deliveries.c.attempt)
    ).one_or_none()
    if row is None:
        return False
    provider_id = values.get("provider_id")
    sent = {"outcome": "sent", "code": None, "provider_id": provider_id, "action_by": None}
    not_sent = {"outcome": FailureKind.RETRYABLE, "action_by": _action_after(after)}
    outcome = sent if provider_id else not_sent
    outcome |= {"error": values["error"], **(attempt or {})}
    tx.execute(
        update(attempts)
        .where(attempts.c.delivery_id == row.id, attempts.c.number == row.attempt)
        .values(finished_at=func.coalesce(attempts.c.finished_at, now), **outcome)
    )
    event = {"message_id": row.message_id, "delivery_id": row.id, "at": now, "type": after, "detail": detail}
    tx.execute(insert(events), [event])
    refresh_status(tx, {row.message_id})
    return True
