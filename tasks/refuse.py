"""Refuse: keep what a queue held and is not a Message, with the reason; nobody else tells its producer."""

import json
from collections.abc import Sequence

from messages.celery_types import to_json
from messages.errors import InvalidMessage
from messages.queue_entries import contents
from messages.store import RefusedEntry
from tasks.parts import Parts

#: Of what is not JSON, or too much of it.
KEPT_CHARACTERS = 100_000


def refuse(parts: Parts, refused: Sequence[tuple[object, InvalidMessage]]) -> None:
    """Keep these Messages, as they were given. Raises StoreUnavailable."""
    _keep(parts, [RefusedEntry(as_json(raw), error) for raw, error in refused])


def refuse_entry(parts: Parts, arguments: Sequence[object]) -> None:
    """Keep an entry, one row per Message in it: its JSON and the reason. Raises StoreUnavailable."""
    if len(arguments) != 2 or not all(isinstance(argument, str) for argument in arguments):  # noqa: PLR2004
        refuse(parts, [(arguments, InvalidMessage("tasks.refuse takes an entry and a reason."))])
        return
    body, reason = map(str, arguments)
    error = InvalidMessage(reason)
    try:
        found = contents(json.loads(body))
    except (ValueError, RecursionError):
        found = []
    entries = [RefusedEntry(as_json(one.message), error, _task_json(one.task)) for one in found]
    _keep(parts, entries or [RefusedEntry(as_json(body), error)])


def _keep(parts: Parts, entries: Sequence[RefusedEntry]) -> None:
    if entries:
        parts.store.refuse(entries, parts.clock())


def _task_json(task: dict[str, object] | None) -> str | None:
    return as_json(task) if task else None


def as_json(raw: object) -> str:
    """Return JSON of anything: of what JSON cannot hold, its text, cut. NaN stays NaN."""
    if isinstance(raw, bytes | memoryview):
        raw = bytes(raw[:KEPT_CHARACTERS]).decode("utf-8", "replace")
    try:
        return to_json(raw[:KEPT_CHARACTERS] if isinstance(raw, str) else raw)
    except (TypeError, ValueError, RecursionError):  # deep nesting, an object of Python's
        return to_json(_text(raw)[:KEPT_CHARACTERS])


def _text(raw: object) -> str:
    try:
        return ascii(raw)
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; nested too deep
        return f"a {type(raw).__name__} that cannot be shown ({type(error).__name__})"
