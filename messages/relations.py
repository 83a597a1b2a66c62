"""Related objects: given inline they are kept by collection and id; shown, they are expanded again.

A Message holds ids only. An object may itself hold related objects (a lead with its sales rep).
"""

from collections.abc import Callable, Collection
from typing import Any

import orjson

from messages.ids import content_id

#: The fields that name another object, and the collection it is kept in.
COLLECTIONS = {"agent": "agents", "lead": "leads", "salesRep": "salesReps", "template": "templates"}
ATTACHMENTS = "attachments"

#: How deep objects may hold objects; the largest `depth` the API answers.
MAX_DEPTH = 10

Key = tuple[str, str]  #: (collection, id)
Objects = dict[Key, dict[str, Any]]
Lookup = Callable[[Collection[Key]], Objects]


def extract(fields: dict[str, Any], level: int = 0) -> tuple[dict[str, Any], Objects]:
    """Split `fields` into the same with ids in place of objects, and those objects. Pure."""
    flat, objects = dict(fields), Objects()
    for name, collection in COLLECTIONS.items():
        value = flat.get(name)
        if not isinstance(value, dict) or level >= MAX_DEPTH:
            continue
        inner, nested = extract(value, level + 1)
        inner["id"] = str(
            inner.get("id") or content_id(name, orjson.dumps(inner, option=orjson.OPT_SORT_KEYS))
        )
        objects |= nested
        objects[collection, inner["id"]] = inner
        flat[name] = inner["id"]
    return flat, objects


def references(fields: dict[str, Any]) -> list[Key]:
    """The objects that `fields` names by id."""
    keys = [
        (collection, fields[name])
        for name, collection in COLLECTIONS.items()
        if isinstance(fields.get(name), str)
    ]
    attached = fields.get(ATTACHMENTS)
    return keys + [(ATTACHMENTS, a) for a in attached or () if isinstance(a, str)]


def expand(shown: list[dict[str, Any]], depth: int, lookup: Lookup) -> list[dict[str, Any]]:
    """Replace ids by the objects they name, `depth` levels down: one look-up a level.

    An id that nobody knows stays an id.
    """
    expanded = [dict(fields) for fields in shown]
    level = expanded
    for _ in range(depth):
        known = lookup({key for fields in level for key in references(fields)})
        level = [inner for fields in level for inner in _replace(fields, known)]
        if not level:
            break
    return expanded


def _replace(fields: dict[str, Any], known: Objects) -> list[dict[str, Any]]:
    """Put the known objects into `fields`; returns them, for the next level."""
    placed = []
    for name, collection in COLLECTIONS.items():
        value = fields.get(name)
        if isinstance(value, str) and (collection, value) in known:
            fields[name] = dict(known[collection, value])
            placed.append(fields[name])
    if isinstance(fields.get(ATTACHMENTS), list):
        fields[ATTACHMENTS] = [
            known.get((ATTACHMENTS, a), a) if isinstance(a, str) else a for a in fields[ATTACHMENTS]
        ]
    return placed
