"""Refuse: what a queue held and is no Message is kept with its reason; else its producer would never know."""

from collections.abc import Sequence

import orjson

from messages.errors import InvalidMessage
from tasks.parts import Parts

#: Of what is no JSON, or too much of it.
KEPT_CHARACTERS = 100_000


def refuse(parts: Parts, refused: Sequence[tuple[object, InvalidMessage]]) -> None:
    """Keep these, as they were given. Raises StoreUnavailable."""
    if refused:
        parts.store.refuse([(as_json(raw), error) for raw, error in refused], parts.clock())


def refuse_entry(parts: Parts, arguments: Sequence[object]) -> None:
    """Keep what could not be kept when it came: its JSON and the reason. Raises StoreUnavailable."""
    if len(arguments) == 2 and all(isinstance(argument, str) for argument in arguments):  # noqa: PLR2004
        body, reason = map(str, arguments)
        parts.store.refuse([(body, InvalidMessage(reason))], parts.clock())
    else:
        refuse(parts, [(arguments, InvalidMessage("tasks.refuse takes an entry and a reason."))])


def as_json(raw: object) -> str:
    """JSON of anything: of what JSON cannot hold, its text, cut."""
    if isinstance(raw, bytes | memoryview):
        raw = bytes(raw[:KEPT_CHARACTERS]).decode("utf-8", "replace")
    try:
        return orjson.dumps(raw[:KEPT_CHARACTERS] if isinstance(raw, str) else raw).decode()
    except TypeError:  # half a surrogate pair, a huge number, deep nesting, no JSON at all
        return orjson.dumps(_text(raw)[:KEPT_CHARACTERS]).decode()


def _text(raw: object) -> str:
    try:
        return ascii(raw)
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; nested too deep
        return f"a {type(raw).__name__} that cannot be shown ({type(error).__name__})"
