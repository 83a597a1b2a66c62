"""What Messages say, as sending needs it: read beside the claim, for once accepted it does not change."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection

from messages.outgoing import Attachment
from messages.relations import ATTACHMENTS, COLLECTIONS, MAX_DEPTH, Objects, expand, references
from messages.store import related


@dataclass(frozen=True, slots=True)
class Content:
    """What one Message says."""

    template: str  #: type/name
    fields: dict[str, Any]  #: the Message as the API shows it at depth 0, with its id
    related: dict[str, dict[str, Any]]  #: by field name (`lead`, `salesRep` …): the objects that are known
    attachments: tuple[Attachment, ...]  #: without their bytes


def contents_of(tx: Connection, rows: Collection[Any]) -> list[Content]:
    """What Messages say; `rows` have their `message_id`, `template`, `fields` and `objects`."""
    said = [{"id": row.message_id} | orjson.loads(row.fields) for row in rows]
    named = {key for fields in said for key in references(fields)}
    known = related.find_objects(tx, {key for key in named if key[0] != ATTACHMENTS})
    files = related.describe_attachments(tx, {key[1] for key in named if key[0] == ATTACHMENTS})
    return [
        Content(
            row.template,
            fields,
            _related(fields, _inline(row.objects), known),
            tuple(
                files.get(reference) or Attachment(reference, None, None, url=reference)
                for reference in fields.get("attachments") or ()
            ),
        )
        for row, fields in zip(rows, said, strict=True)
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
