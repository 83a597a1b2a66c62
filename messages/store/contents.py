"""What Messages say, as sending needs it: read beside the claim, for once accepted it does not change."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection

from messages.outgoing import Attachment
from messages.relations import ATTACHMENTS, COLLECTIONS, MAX_DEPTH, Objects, expand, references
from messages.store import related
from messages.store.rows import RowsStatement, keys

_READ = RowsStatement(
    """
    SELECT id, template, fields, objects FROM messages
    WHERE id IN (SELECT message_id FROM deliveries JOIN {rows} ON deliveries.id = key)
    """,
    key="varchar",
)


@dataclass(frozen=True, slots=True)
class Content:
    """What one Message says."""

    template: str  #: type/name
    fields: dict[str, Any]  #: the Message as the API shows it at depth 0, with its id
    related: dict[str, dict[str, Any]]  #: by field name (`lead`, `salesRep` …): the objects that are known
    attachments: tuple[Attachment, ...]  #: without their bytes


def read_contents(tx: Connection, delivery_ids: Collection[str]) -> dict[str, Content]:
    """What the Messages of these Deliveries say, by the Messages' ids."""
    rows = _READ.run(tx, keys(delivery_ids)).all()
    fields = {row.id: {"id": row.id} | orjson.loads(row.fields) for row in rows}
    named = {key for each in fields.values() for key in references(each)}
    known = related.find_objects(tx, {key for key in named if key[0] != ATTACHMENTS})
    files = related.describe_attachments(tx, {key[1] for key in named if key[0] == ATTACHMENTS})
    return {
        row.id: Content(
            row.template,
            fields[row.id],
            _related(fields[row.id], _inline(row.objects), known),
            tuple(
                files.get(reference) or Attachment(reference, None, None, url=reference)
                for reference in fields[row.id].get("attachments") or ()
            ),
        )
        for row in rows
    }


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
