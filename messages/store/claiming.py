"""Claiming: sending starts with one atomic statement; whoever claims second gets nothing."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, bindparam, func, insert, or_, select, tuple_, update

from messages.delivery import Channel, Claim, Route
from messages.outgoing import Attachment
from messages.relations import ATTACHMENTS, COLLECTIONS, MAX_DEPTH, Objects, expand, references
from messages.states import DeliveryState
from messages.store import related
from messages.store.schema import attempts, deliveries, events, in_state, messages
from messages.store.status import lock_messages, refresh_status


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claim, and all that is needed to send it."""

    claim: Claim
    template: str  #: type/name
    fields: dict[str, Any]  #: the Message as the API shows it at depth 0, with its id
    related: dict[str, dict[str, Any]]  #: by field name (`lead`, `salesRep` …): the objects that are known
    attachments: tuple[Attachment, ...]  #: without content


def claim(
    tx: Connection, ids: Collection[str], channel: Channel, *, now: int, lease_until: int
) -> list[Claimed]:
    """Take those of the Deliveries that wait, whose time has come and has not gone, each for one attempt."""
    lock_messages(tx, ids)
    statement = (
        update(deliveries)
        .where(
            deliveries.c.id.in_(ids),
            deliveries.c.channel == channel,
            deliveries.c.state == DeliveryState.QUEUED,
            or_(deliveries.c.next_attempt_at.is_(None), deliveries.c.next_attempt_at <= now),
            _is_fresh(now),
        )
        .values(
            state=DeliveryState.SENDING,
            attempt=deliveries.c.attempt + 1,
            first_attempt=func.coalesce(deliveries.c.first_attempt, deliveries.c.attempt + 1),
            first_attempt_at=func.coalesce(deliveries.c.first_attempt_at, now),
            next_attempt_at=None,
            lease_until=lease_until,
            begun_at=None,
        )
        .returning(deliveries)
    )
    claims = [_claim(row) for row in tx.execute(statement)]
    if not claims:
        return []
    _begin_attempts(tx, claims, now)
    refresh_status(tx, {c.message_id for c in claims})
    return _load(tx, claims)


def begin(
    tx: Connection, claims: Collection[Claim], now: int, hashes: Mapping[str, str]
) -> set[tuple[str, int]]:
    """Mark that these are about to go on the wire; returns (id, attempt) of those still held.

    What was claimed but never begun was surely not sent: after a crash it is queued again at once.
    `hashes`: of the texts of SMS, by delivery id. After a crash they tell which message was this one.
    """
    held = tuple_(deliveries.c.id, deliveries.c.attempt).in_([(c.delivery_id, c.attempt) for c in claims])
    statement = (
        update(deliveries)
        .where(held, in_state(DeliveryState.SENDING), deliveries.c.lease_until > now, _is_fresh(now))
        .values(begun_at=now)
        .returning(deliveries.c.id, deliveries.c.attempt)
    )
    begun = {(row.id, row.attempt) for row in tx.execute(statement)}
    texts = [{"key": i, "attempt": n, "hash": hashes[i]} for i, n in begun if i in hashes]
    if texts:
        which = attempts.c.delivery_id == bindparam("key"), attempts.c.number == bindparam("attempt")
        tx.execute(update(attempts).where(*which).values(text_hash=bindparam("hash")), texts)
    return begun


def _is_fresh(now: int) -> ColumnElement[bool]:
    return or_(deliveries.c.expires_at.is_(None), deliveries.c.expires_at > now)


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
    )


def _begin_attempts(tx: Connection, claims: list[Claim], now: int) -> None:
    tx.execute(
        insert(attempts),
        [{"delivery_id": c.delivery_id, "number": c.attempt, "started_at": now} for c in claims],
    )
    tx.execute(
        insert(events),
        [
            {
                "message_id": c.message_id,
                "delivery_id": c.delivery_id,
                "at": now,
                "type": DeliveryState.SENDING,
            }
            for c in claims
        ],
    )


def _load(tx: Connection, claims: list[Claim]) -> list[Claimed]:
    columns = messages.c.id, messages.c.template, messages.c.fields, messages.c.objects
    rows = {
        row.id: row
        for row in tx.execute(select(*columns).where(messages.c.id.in_({c.message_id for c in claims})))
    }
    fields = {key: orjson.loads(row.fields) for key, row in rows.items()}
    inline = {key: _inline(row.objects) for key, row in rows.items()}
    named = {key for f in fields.values() for key in references(f)}
    wanted_files = {key[1] for key in named if key[0] == ATTACHMENTS}
    known = related.find_objects(tx, {key for key in named if key[0] != ATTACHMENTS})
    files = related.describe_attachments(tx, wanted_files)
    return [
        Claimed(
            claim=c,
            template=rows[c.message_id].template,
            fields={"id": c.message_id} | fields[c.message_id],
            related=_related(fields[c.message_id], inline[c.message_id], known),
            attachments=tuple(
                files.get(reference) or Attachment(reference, None, None, url=reference)
                for reference in fields[c.message_id].get("attachments") or ()
            ),
        )
        for c in claims
    ]


def _inline(text: str | None) -> Objects:
    if not text:
        return Objects()
    return {(key.partition("/")[0], key.partition("/")[2]): body for key, body in orjson.loads(text).items()}


def _related(fields: dict[str, Any], inline: Objects, known: Objects) -> dict[str, dict[str, Any]]:
    """What was given with this very Message wins over what the store has learnt since."""
    found = {}
    for name, collection in COLLECTIONS.items():
        key = (collection, fields.get(name) or "")
        if key in known or key in inline:
            found[name] = known.get(key, {}) | inline.get(key, {})
    complete = expand(
        list(found.values()), MAX_DEPTH, lambda keys: {k: inline[k] for k in keys if k in inline}
    )
    return dict(zip(found, complete, strict=True))
