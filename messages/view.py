"""A Message as the API and the command line show it."""

from collections.abc import Callable, Sequence
from typing import Any

from messages.clock import to_iso
from messages.errors import StoreUnavailable
from messages.relations import Lookup, expand
from messages.store import Stored

#: JSON-ready Messages: of these, with related objects to this depth, which the last reads.
Show = Callable[[Sequence[Stored], int, Lookup], list[dict[str, Any]]]


def show(found: Sequence[Stored], depth: int, lookup: Lookup) -> list[dict[str, Any]]:
    """JSON-ready, camelCase; related objects as ids at depth 0, expanded `depth` levels otherwise."""
    fields = (
        expand([stored.fields for stored in found], depth, lookup) if depth else [s.fields for s in found]
    )
    return [_show(stored, own) for stored, own in zip(found, fields, strict=True)]


def show_done(found: Sequence[Stored], depth: int, lookup: Lookup) -> list[dict[str, Any]]:
    """Likewise what was just committed: where the related objects cannot be read, with their ids."""
    try:
        return show(found, depth, lookup)
    except StoreUnavailable:
        return show(found, 0, lookup)


def _show(stored: Stored, fields: dict[str, Any]) -> dict[str, Any]:
    row = stored.message
    return {
        "id": row.id,
        **fields,
        "status": stored.status,
        "createdAt": to_iso(row.created_at),
        "sentAt": to_iso(stored.sent_at),
        "deliveries": [_delivery(d, stored.attempts[d.id]) for d in stored.deliveries],
        "events": [_event(e) for e in stored.events],
    }


def _delivery(row: Any, attempts: Sequence[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "channel": row.channel,
        "to": row.recipient,
        "from": row.sender,
        "replyTo": row.reply_to,
        "status": row.state,
        "attempts": [_attempt(a, attempts) for a in attempts],
        "nextAttemptAt": to_iso(row.next_attempt_at),
        "expiresAt": to_iso(row.expires_at),
        "sentAt": to_iso(row.sent_at),
        "providerId": row.provider_id,
        "segments": row.segments,
        "encoding": row.encoding,
        "error": row.error,
        "actionBy": attempts[-1].action_by if row.error and attempts else None,
    }


def _attempt(row: Any, attempts: Sequence[Any]) -> dict[str, Any]:
    shown = {
        "number": row.number,
        "startedAt": to_iso(row.started_at),
        "finishedAt": to_iso(row.finished_at),
        "outcome": row.outcome,
        "error": row.error,
        "code": row.code,
        "actionBy": row.action_by,
    }
    if any(a.number < row.number and a.outcome == "ambiguous" for a in attempts):
        shown["possibleDuplicate"] = True
    return shown


def _event(row: Any) -> dict[str, Any]:
    shown = {"at": to_iso(row.at), "type": row.type, "deliveryId": row.delivery_id, "detail": row.detail}
    return {name: value for name, value in shown.items() if value is not None}
