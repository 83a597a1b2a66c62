"""Related objects: given inline they are kept by collection and id; shown, they are expanded again.

A Message holds ids only. An object may itself hold related objects (a lead with its sales rep).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import orjson

from messages.ids import content_id

#: The fields that name another object, and the collection it is kept in.
COLLECTIONS = {"agent": "agents", "lead": "leads", "salesRep": "salesReps", "template": "templates"}
ATTACHMENTS = "attachments"

#: How deep objects may hold objects; the largest `depth` the API answers.
MAX_DEPTH = 10

#: How many objects are put in the place of ids, for all Messages of an answer together.
MAX_EXPANDED = 1000

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
        inner["id"] = inner.get("id") or content_id(name, orjson.dumps(inner, option=orjson.OPT_SORT_KEYS))
        objects |= nested
        objects[collection, inner["id"]] = inner
        flat[name] = inner["id"]
    return flat, objects


def path_of(fields: Mapping[str, Any], key: Key) -> str:
    """Where an object of `extract` was given: `lead.salesRep`; its collection if it is not there."""
    for name, collection in COLLECTIONS.items():
        value = fields.get(name)
        if not isinstance(value, dict):
            continue
        if key in extract({name: value})[1]:
            inner = extract({name: value})[0][name]
            return name if (collection, inner) == key else f"{name}.{path_of(value, key)}"
    return key[0]


def references(fields: dict[str, Any]) -> list[Key]:
    """The objects that `fields` names by id."""
    keys = [
        (collection, fields[name])
        for name, collection in COLLECTIONS.items()
        if isinstance(fields.get(name), str)
    ]
    attached = fields.get(ATTACHMENTS)
    return keys + [(ATTACHMENTS, a) for a in attached or () if isinstance(a, str)]


def expand(
    shown: Sequence[dict[str, Any]], depth: int, lookup: Lookup, limit: int = MAX_EXPANDED
) -> list[dict[str, Any]]:
    """Replace ids by the objects they name, `depth` levels down: one look-up a level.

    An id stays an id where nobody knows it, where its object holds the very place it stands in
    (a lead whose agent has that lead), and beyond `limit` objects: what refers to each other
    crosswise would otherwise grow without end.
    """
    expanded = [dict(fields) for fields in shown]
    level: list[_Place] = [(fields, frozenset()) for fields in expanded]
    room = limit
    for _ in range(depth):
        known = lookup({key for fields, _ in level for key in references(fields)})
        placed: list[_Place] = []
        for fields, above in level:
            placed += _replace(fields, above, known, room - len(placed))
        room -= len(placed)
        level = placed
        if not level:
            break
    return expanded


#: Fields, and the keys of the objects that hold them.
_Place = tuple[dict[str, Any], frozenset[Key]]


def _replace(fields: dict[str, Any], above: frozenset[Key], known: Objects, room: int) -> list[_Place]:
    """Put at most `room` of the known objects into `fields`; returns them, for the next level."""
    placed: list[_Place] = []
    for name, collection in COLLECTIONS.items():
        key = (collection, fields.get(name) or "")
        if isinstance(fields.get(name), str) and key in known and key not in above and len(placed) < room:
            fields[name] = dict(known[key])
            placed.append((fields[name], above | {key}))
    if isinstance(fields.get(ATTACHMENTS), list):
        fields[ATTACHMENTS] = [
            known.get((ATTACHMENTS, a), a) if isinstance(a, str) else a for a in fields[ATTACHMENTS]
        ]
    return placed
