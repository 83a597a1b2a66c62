"""Claiming: sending starts with one atomic statement; whoever claims second gets nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from messages.delivery import Beginning, Channel, Claim, Lane, Lease, Route
from messages.states import DeliveryState
from messages.store.contents import Content, contents_of
from messages.store.database import Database
from messages.store.procedure import Procedure, Step
from messages.store.rows import RowsStatement, keys

#: Whether it is being sent, said so that no index of states is used: a claim is found by its key. An index
#: of what changes all the time is misjudged by PostgreSQL, which would read all that is under way.
_IS_SENDING = f"deliveries.state || '' = '{DeliveryState.SENDING}'"


def _is_fresh(now: str) -> str:
    return f"(deliveries.expires_at IS NULL OR deliveries.expires_at > {now})"


def _waits(now: str) -> str:
    due = f"(deliveries.next_attempt_at IS NULL OR deliveries.next_attempt_at <= {now})"
    return f"deliveries.state || '' = '{DeliveryState.QUEUED}' AND {due} AND {_is_fresh(now)}"


_DELIVERY = """
    deliveries.id, message_id, channel, recipient, sender, reply_to, attempt, first_attempt, first_attempt_at,
    doubts, deliveries.expires_at, place_at, lane
"""
_WAITING = RowsStatement(
    f"""
    SELECT {_DELIVERY} FROM {{rows}} JOIN deliveries ON deliveries.id = key
    WHERE channel = :channel AND {_waits(":now")}
    """,  # noqa: S608 - names, not values
    key="varchar",
)
WAITING_WITH_CONTENT = f"""
    SELECT {_DELIVERY}, template, fields, objects
    FROM {{rows}} JOIN deliveries ON deliveries.id = key JOIN messages ON messages.id = message_id
    WHERE channel = :channel AND {_waits(":now")}
"""  # noqa: S608 - likewise
_WAITING_AND_READ = RowsStatement(WAITING_WITH_CONTENT, key="varchar")


def taking(begun_at: str) -> str:
    """Whoever is the first to claim it makes the attempt's number another one."""
    return f"""
    UPDATE deliveries SET
        state = '{DeliveryState.SENDING}', attempt = r.number,
        first_attempt = COALESCE(deliveries.first_attempt, r.number),
        first_attempt_at = COALESCE(deliveries.first_attempt_at, r.now),
        next_attempt_at = NULL, lease_until = r.new_lease, worker = r.new_worker, begun_at = {begun_at}
    {{rows}}
    WHERE deliveries.id = r.delivery_id AND deliveries.attempt = r.number - 1 AND {_waits("r.now")}
        AND r.new_lease > r.now
    """  # noqa: S608 - likewise


START_ATTEMPTS = """
    INSERT INTO attempts (delivery_id, number, started_at) SELECT r.delivery_id, r.number, r.now {rows}
"""
TELL = f"""
    INSERT INTO events (message_id, delivery_id, at, type)
    SELECT r.message_id, r.delivery_id, r.now, '{DeliveryState.SENDING}' {{rows}}
"""

_CLAIM = Procedure(
    "claim",
    {"now": "bigint", "new_lease": "bigint", "new_worker": "varchar"},
    claim=Step(
        {"delivery_id": "varchar", "number": "integer", "message_id": "varchar"},
        taking("NULL"),
        [START_ATTEMPTS, TELL],
    ),
)

_BEGIN = f"""
    UPDATE deliveries SET begun_at = r.now
    {{rows}} WHERE id = r.delivery_id AND attempt = r.number AND {_IS_SENDING} AND lease_until > r.now
        AND {_is_fresh("r.now")}
"""  # noqa: S608 - likewise
_KEEP_HASHES = """
    UPDATE attempts SET text_hash = r.new_hash {rows}
    WHERE attempts.delivery_id = r.delivery_id AND attempts.number = r.number AND r.new_hash IS NOT NULL
"""
#: Mark that these are about to go on the wire, where they are still held. Its parameter is `now`.
#: What was claimed but never begun was surely not sent: after a crash it is queued again at once. After
#: one in between, the hash of an SMS's text tells which message at the provider was this one.
BEGIN = Step({"delivery_id": "varchar", "number": "integer", "new_hash": "varchar"}, _BEGIN, [_KEEP_HASHES])


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claim, and all that is needed to send it."""

    claim: Claim
    content: Content


def claim_waiting(database: Database, ids: Sequence[str], channel: Channel, lease: Lease) -> list[Claimed]:
    """Take those that wait, whose time has come and has not gone, and read what they say.

    Raises StoreUnavailable, and whatever a Message raises that cannot be read: then none is taken.
    """
    with database.read() as tx:  # before others have to wait for us
        rows = _in_order(_WAITING_AND_READ.run(tx, keys(ids), channel=channel.value, now=lease.since))
        contents = contents_of(tx, rows)
    claims = [claim_of(row, lease) for row in rows]
    taken = _claim(database, claims, lease)
    return [one for one, ours in zip(map(Claimed, claims, contents), taken, strict=True) if ours]


def claim_unread(database: Database, ids: Sequence[str], channel: Channel, lease: Lease) -> list[Claim]:
    """Likewise, without a look at what they say."""
    with database.read() as tx:
        rows = _in_order(_WAITING.run(tx, keys(ids), channel=channel.value, now=lease.since))
    claims = [claim_of(row, lease) for row in rows]
    taken = _claim(database, claims, lease)
    return [one for one, ours in zip(claims, taken, strict=True) if ours]


def _in_order(rows: Sequence[Any]) -> list[Any]:
    """As `ordering` says. Not by the statement, which PostgreSQL might then answer by reading the table."""
    return sorted(rows, key=lambda row: row.id)


def claim_of(row: Any, lease: Lease) -> Claim:
    """The claim of one that waits, if it comes to that."""
    number = row.attempt + 1
    return Claim(
        delivery_id=row.id,
        message_id=row.message_id,
        route=Route(Channel(row.channel), row.recipient, row.sender, row.reply_to),
        attempt=number,
        first_attempt_at=lease.since if row.first_attempt_at is None else row.first_attempt_at,
        lease=lease,
        doubts=row.doubts,
        first_attempt=number if row.first_attempt is None else row.first_attempt,
        expires_at=row.expires_at,
        placed=row.place_at is not None,
        bulk=Lane(row.lane).bulk,
    )


def _claim(database: Database, claims: Sequence[Claim], lease: Lease) -> list[bool]:
    """Take these, each for one attempt; False for those that others were faster to take."""
    rows = [{"delivery_id": c.delivery_id, "number": c.attempt, "message_id": c.message_id} for c in claims]
    return database.run(
        _CLAIM, {"claim": rows}, now=lease.since, new_lease=lease.until, new_worker=lease.worker
    )["claim"]


def row_of(begun: Beginning) -> dict[str, Any]:
    """What BEGIN is given."""
    claim = begun.claim
    return {"delivery_id": claim.delivery_id, "number": claim.attempt, "new_hash": begun.text_hash}
