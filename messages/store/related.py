"""What belongs to Messages and outlives them: related objects, attachments, the signing key."""

import hashlib
import secrets as random
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, Row, bindparam, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from messages.field_limits import merge
from messages.filenames import file_name
from messages.outgoing import Attachment
from messages.relations import ATTACHMENTS, Key, Objects
from messages.store.schema import attachments, objects, secrets


def _insert(tx: Connection, table: Any) -> Any:
    return (sqlite if tx.dialect.name == "sqlite" else postgresql).insert(table)


def keep_objects(tx: Connection, given: Sequence[Objects], now: int, object_bytes: int | None = None) -> None:
    """Add or update: what is given anew replaces, field by field; other fields stay.

    Acceptance refuses what would become larger than `object_bytes`. What grows at the same time is kept as
    it was: its Messages have what was given with them.
    """
    merged = Objects()
    for key, body in (item for found in given for item in found.items()):
        so_far = merged.get(key)
        merged[key] = body if so_far is None else merge(so_far, body, object_bytes) or so_far
    if not merged:
        return
    # Sorted, so that two transactions lock the same rows in the same order.
    keys = sorted(merged)
    rows = [_object_row(key, merged[key], now) for key in keys]
    statement = _insert(tx, objects).on_conflict_do_nothing().returning(objects.c.collection, objects.c.id)
    new = {(row.collection, row.id) for row in tx.execute(statement, rows)}
    known = _lock_objects(tx, [key for key in keys if key not in new])
    changed = {key: merge(body, merged[key], object_bytes) or body for key, body in known.items()}
    changed = {key: body for key, body in changed.items() if body != known[key]}
    if changed:
        tx.execute(
            update(objects)
            .where(objects.c.collection == bindparam("in_collection"), objects.c.id == bindparam("with_id"))
            .values(body=bindparam("new_body"), updated_at=now),
            [
                {"in_collection": key[0], "with_id": key[1], "new_body": orjson.dumps(changed[key]).decode()}
                for key in sorted(changed)
            ],
        )


def _object_row(key: Key, body: dict[str, Any], now: int) -> dict[str, Any]:
    return {"collection": key[0], "id": key[1], "body": orjson.dumps(body).decode(), "updated_at": now}


def _lock_objects(tx: Connection, keys: Sequence[Key]) -> Objects:
    """Read them for updating: nobody else changes them meanwhile."""
    if not keys:
        return Objects()
    rows = tx.execute(
        select(objects)
        .where(tuple_(objects.c.collection, objects.c.id).in_(keys))
        .order_by(objects.c.collection, objects.c.id)
        .with_for_update()
    )
    return {(row.collection, row.id): orjson.loads(row.body) for row in rows}


def find_objects(tx: Connection, keys: Collection[Key]) -> Objects:
    """Those of the objects that are known; attachments without their content."""
    found = Objects()
    plain = [key for key in keys if key[0] != ATTACHMENTS]
    if plain:
        rows = tx.execute(select(objects).where(tuple_(objects.c.collection, objects.c.id).in_(plain)))
        found |= {(row.collection, row.id): orjson.loads(row.body) for row in rows}
    attached = [key[1] for key in keys if key[0] == ATTACHMENTS]
    if attached:
        columns = [column for column in attachments.c if column.name != "content"]
        rows = tx.execute(select(*columns).where(attachments.c.id.in_(attached)))
        found |= {(ATTACHMENTS, row.id): _as_object(row) for row in rows}
    return found


def keep_attachments(tx: Connection, given: Iterable[Attachment], now: int) -> None:
    """Add those that are new. Attachments never change: acceptance refuses other content for a known id."""
    rows = [
        {
            "id": a.id,
            "filename": a.filename,
            "mime_type": a.mime_type,
            "url": a.url,
            "content": a.content,
            "size": None if a.content is None else len(a.content),
            "digest": digest(a),
            "created_at": now,
        }
        for a in given
    ]
    if rows:
        tx.execute(
            _insert(tx, attachments).on_conflict_do_nothing(), sorted(rows, key=lambda r: str(r["id"]))
        )


class KnownAttachment(NamedTuple):
    """What tells an attachment that was given before from others."""

    digest: str
    size: int | None  #: in bytes; None: it is to be fetched


def digest(attachment: Attachment) -> str:
    """The same for the same attachment: hex."""
    head = repr((attachment.filename, attachment.mime_type, attachment.url)).encode()
    return hashlib.sha256(head + b"\0" + (attachment.content or b"")).hexdigest()


def known_attachments(tx: Connection, ids: Collection[str]) -> dict[str, KnownAttachment]:
    """Those of the attachments that were given before, by id."""
    if not ids:
        return {}
    columns = attachments.c.id, attachments.c.digest, attachments.c.size
    found = tx.execute(select(*columns).where(attachments.c.id.in_(ids)))
    return {row.id: KnownAttachment(row.digest, row.size) for row in found}


def describe_attachments(tx: Connection, ids: Collection[str]) -> dict[str, Attachment]:
    """Attachments without their content, which may be large, by id."""
    if not ids:
        return {}
    columns = attachments.c.id, attachments.c.filename, attachments.c.mime_type, attachments.c.url
    rows = tx.execute(select(*columns).where(attachments.c.id.in_(ids)))
    return {row.id: Attachment(row.id, row.filename, row.mime_type, row.url) for row in rows}


def find_attachments(tx: Connection, ids: Collection[str]) -> dict[str, Attachment]:
    """Attachments with their content, by id."""
    if not ids:
        return {}
    rows = tx.execute(select(attachments).where(attachments.c.id.in_(ids)))
    return {row.id: Attachment(row.id, row.filename, row.mime_type, row.url, row.content) for row in rows}


def signing_key(tx: Connection) -> bytes:
    """The key that signs public URLs: made once, shared by all processes on this store."""
    tx.execute(
        _insert(tx, secrets).on_conflict_do_nothing(), {"name": "signing", "value": random.token_bytes(32)}
    )
    return bytes(tx.execute(select(secrets.c.value).where(secrets.c.name == "signing")).scalar_one())


def _as_object(row: Row[Any]) -> dict[str, Any]:
    # By the name that is sent. That of a URL may depend on the answer, if none was given.
    named = row.url is None or row.filename
    shown = {
        "id": row.id,
        "filename": file_name(row.filename, mime_type=row.mime_type) if named else None,
        "mimeType": row.mime_type,
        "url": row.url,
        "size": row.size,
    }
    return {name: value for name, value in shown.items() if value is not None}
