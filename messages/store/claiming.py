"""Claiming: sending starts with one atomic statement; whoever claims second gets nothing."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from messages.delivery import Beginning, Channel, Claim, Lane, Route
from messages.states import DeliveryState
from messages.store.contents import Content
from messages.store.rows import RowsStatement, keys
from messages.store.status import lock_messages, refresh_status

#: Whether it is being sent, said so that no index of states is used: a claim is found by its key. An index
#: of what changes all the time is misjudged by PostgreSQL, which would read all that is under way.
_IS_SENDING = f"state || '' = '{DeliveryState.SENDING}'"
_IS_QUEUED = f"state || '' = '{DeliveryState.QUEUED}'"
_IS_FRESH = "(expires_at IS NULL OR expires_at > :now)"

_CLAIM = RowsStatement(
    f"""
    UPDATE deliveries SET
        state = '{DeliveryState.SENDING}', attempt = attempt + 1,
        first_attempt = COALESCE(first_attempt, attempt + 1),
        first_attempt_at = COALESCE(first_attempt_at, :now),
        next_attempt_at = NULL, lease_until = :lease_until, worker = :worker, begun_at = NULL
    FROM {{rows}}
    WHERE id = key AND channel = :channel AND {_IS_QUEUED}
        AND (next_attempt_at IS NULL OR next_attempt_at <= :now) AND {_IS_FRESH}
    RETURNING id, message_id, channel, recipient, sender, reply_to, attempt, first_attempt_at, lease_until,
        doubts, first_attempt, expires_at, place_at, lane
    """,  # noqa: S608 - names, not values
    key="varchar",
)

_BEGUN = {"key": "varchar", "number": "integer", "text_hash": "varchar"}
_BEGIN = RowsStatement(
    f"""
    UPDATE deliveries SET begun_at = :now FROM {{rows}}
    WHERE id = key AND attempt = number AND {_IS_SENDING} AND lease_until > :now AND {_IS_FRESH}
    RETURNING id, attempt
    """,  # noqa: S608 - likewise
    **_BEGUN,
)
_KEEP_HASHES = RowsStatement(
    """
    UPDATE attempts SET text_hash = r.text_hash FROM {rows}
    WHERE attempts.delivery_id = r.key AND attempts.number = r.number
    """,
    **_BEGUN,
)

_CLAIMED = {"key": "varchar", "number": "integer", "message_id": "varchar"}
_START_ATTEMPTS = RowsStatement(
    "INSERT INTO attempts (delivery_id, number, started_at) SELECT key, number, :now FROM {rows}", **_CLAIMED
)
_TELL = RowsStatement(
    f"""
    INSERT INTO events (message_id, delivery_id, at, type)
    SELECT message_id, key, :now, '{DeliveryState.SENDING}' FROM {{rows}}
    """,  # noqa: S608 - likewise
    **_CLAIMED,
)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claim, and all that is needed to send it."""

    claim: Claim
    content: Content


def claim(
    tx: Connection,
    ids: Collection[str],
    channel: Channel,
    *,
    now: int,
    lease_until: int,
    worker: str | None = None,
) -> list[Claim]:
    """Take those of the Deliveries that wait, whose time has come and has not gone, each for one attempt."""
    lock_messages(tx, ids)
    claimed = _CLAIM.run(
        tx,
        keys(ids),
        channel=channel.value,
        lease_until=lease_until,
        worker=worker,
        now=now,
    )
    claims = [_claim(row) for row in claimed]
    if not claims:
        return []
    _begin_attempts(tx, claims, now)
    refresh_status(tx, {c.message_id for c in claims})
    return claims


def begin(tx: Connection, begun: Collection[Beginning], now: int) -> set[tuple[str, int]]:
    """Mark that these are about to go on the wire; returns (id, attempt) of those still held.

    What was claimed but never begun was surely not sent: after a crash it is queued again at once. After
    one in between, the hash of an SMS's text tells which message at the provider was this one.
    """
    rows = [{"key": b.claim.delivery_id, "number": b.claim.attempt, "text_hash": b.text_hash} for b in begun]
    held = {(row.id, row.attempt) for row in _BEGIN.run(tx, rows, now=now)}
    hashed = [row for row in rows if row["text_hash"] and (row["key"], row["number"]) in held]
    if hashed:
        _KEEP_HASHES.run(tx, hashed)
    return held


def _claim(row: Any) -> Claim:
    return Claim(
        delivery_id=row.id,
        message_id=row.message_id,
        route=Route(Channel(row.channel), row.recipient, row.sender, row.reply_to),
        attempt=row.attempt,
        first_attempt_at=row.first_attempt_at,
        lease_until=row.lease_until,
        doubts=row.doubts,
        first_attempt=row.first_attempt,
        expires_at=row.expires_at,
        placed=row.place_at is not None,
        bulk=Lane(row.lane).bulk,
    )


def _begin_attempts(tx: Connection, claims: list[Claim], now: int) -> None:
    rows = [{"key": c.delivery_id, "number": c.attempt, "message_id": c.message_id} for c in claims]
    _START_ATTEMPTS.run(tx, rows, now=now)
    _TELL.run(tx, rows, now=now)
