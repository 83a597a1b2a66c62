"""Related objects: given inline they are kept by collection and id; shown, they are expanded again.

A Message holds ids only. An object may itself hold related objects (a lead with its sales rep).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
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

#: How many bytes of JSON these objects have at most, together.
MAX_EXPANDED_BYTES = 4_000_000

#: So many objects are read at once.
_LOOKED_UP_AT_ONCE = 200

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
    shown: Sequence[dict[str, Any]],
    depth: int,
    lookup: Lookup,
    limit: int = MAX_EXPANDED,
    limit_bytes: int = MAX_EXPANDED_BYTES,
) -> list[dict[str, Any]]:
    """Replace ids by the objects they name, `depth` levels down: one look-up per level, or a few.

    An id stays an id where nobody knows it, where its object holds the very place it stands in
    (a lead whose agent has that lead), and beyond `limit` objects or `limit_bytes` of their JSON: what
    refers to each other crosswise would otherwise grow without end.
    """
    expanded = [dict(fields) for fields in shown]
    level: list[_Place] = [(fields, frozenset()) for fields in expanded]
    room = _Room(limit, limit_bytes)
    for _ in range(depth):
        known = _look_up({key for fields, _ in level for key in references(fields)}, lookup, room)
        level = [place for fields, above in level for place in _replace(fields, above, known, room)]
        if not level:
            break
    return expanded


#: Fields, and the keys of the objects that hold them.
_Place = tuple[dict[str, Any], frozenset[Key]]


@dataclass(slots=True)
class _Room:
    """What may still be put in the place of ids."""

    objects: int
    size: int  #: bytes of JSON

    def take(self, size: int, objects: int = 1) -> bool:
        """Whether an object of so many bytes may be put in; then there is less room."""
        if self.objects < objects or self.size < size:
            return False
        self.objects, self.size = self.objects - objects, self.size - size
        return True


#: Objects with their size as JSON, in bytes.
_Sized = dict[Key, tuple[dict[str, Any], int]]


def _look_up(keys: Collection[Key], lookup: Lookup, room: _Room) -> _Sized:
    """Some of the objects at a time, as long as there is room for any: all of them may be many megabytes."""
    found, size, ordered = _Sized(), 0, sorted(keys)
    for first in range(0, len(ordered), _LOOKED_UP_AT_ONCE):
        if size > room.size or room.objects < 1:
            break
        for key, body in lookup(ordered[first : first + _LOOKED_UP_AT_ONCE]).items():
            found[key] = body, len(orjson.dumps(body))
            size += found[key][1]
    return found


def _replace(fields: dict[str, Any], above: frozenset[Key], known: _Sized, room: _Room) -> list[_Place]:
    """Put the known objects into `fields` as long as there is room; returns them, for the next level."""
    placed: list[_Place] = []
    for name, collection in COLLECTIONS.items():
        key = (collection, fields.get(name) or "")
        if isinstance(fields.get(name), str) and key in known and key not in above:
            body, size = known[key]
            if room.take(size):
                fields[name] = dict(body)
                placed.append((fields[name], above | {key}))
    if isinstance(fields.get(ATTACHMENTS), list):
        fields[ATTACHMENTS] = [_attachment(one, known, room) for one in fields[ATTACHMENTS]]
    return placed


def _attachment(reference: Any, known: _Sized, room: _Room) -> Any:
    if not isinstance(reference, str) or (ATTACHMENTS, reference) not in known:
        return reference
    body, size = known[ATTACHMENTS, reference]
    return body if room.take(size, objects=0) else reference
