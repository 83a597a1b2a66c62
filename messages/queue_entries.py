"""Read the entries of the queues: both versions of Celery's message protocol, without Celery or kombu.

    entry (JSON in bytes) → clean_envelope → body (JSON in a string) → read_task → Task → its Messages

Celery acts on what an entry says of itself: it discards one whose `expires` has passed, runs its own
built-in tasks and the tasks of `callbacks`, and fails at values of the wrong type. So each entry is read
here first, and Celery gets only the name, the id and the arguments. Nothing is unpickled: JSON alone is read.
"""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from messages.bulk import check_values
from messages.celery_types import from_celery
from messages.errors import InvalidMessage
from messages.json_values import exact_float, exact_integer
from messages.queues import ALL_TASKS, DEATHS, MAX_ENTRY_BYTES, MAX_ENTRY_VALUES, MOST_DEATHS, RUNG_AT
from messages.wording import kind_of, shown

TOO_MUCH = f"it has more than {MAX_ENTRY_BYTES:,} bytes or {MAX_ENTRY_VALUES:,} values (or commas)"

#: What may stand in logs as the id of a task.
_TASK_ID = re.compile(r"[A-Za-z0-9._:~@+=-]{1,200}")

#: The headers that are read; the others mean nothing here.
_HEADERS = ("task", "id", "eta", "expires", DEATHS, RUNG_AT)

#: Where an entry names tasks that Celery would run after it, by either protocol.
_FURTHER_TASKS = ("callbacks", "errbacks", "chain", "chord")

#: Of an entry of more Messages than this, one row is kept when it is refused, else one per Message.
_MAX_ROWS = 200


class BadEntry(Exception):
    """An entry that is not a task of Roundsman. The text says why; it may hold a value of the entry."""


@dataclass(frozen=True, slots=True)
class Task:
    """What Celery is to run."""

    name: str
    id: str
    arguments: list[Any]
    named: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Content:
    """What a refused entry held: one Message or, where none can be read, all of the entry."""

    message: object
    task: dict[str, Any] | None = None  #: what the entry said beside it: name, id, eta, expires


def check_size(text: bytes) -> None:
    """Raise BadEntry for what would take too much memory to parse."""
    try:
        check_values(text, MAX_ENTRY_VALUES)
    except InvalidMessage:
        raise BadEntry(TOO_MUCH) from None
    if len(text) > MAX_ENTRY_BYTES:
        raise BadEntry(TOO_MUCH)


def clean_envelope(given: object, queue: str) -> dict[str, Any]:
    """Return the envelope with what is read of it, and with what kombu needs to give it back to `queue`.

    The delivery_tag is made here: kombu would mix up two entries that share one. Raises BadEntry.
    """
    entry, headers, properties = _opened(given)
    if not isinstance(entry.get("body"), str):
        raise BadEntry(f"its body is {kind_of(entry.get('body'))}, not a string")
    _check_encoding(entry, headers, properties)
    if (deaths := deaths_of(headers)) > MOST_DEATHS:
        raise BadEntry(
            f"{deaths} workers that had taken it died or lost the broker: it may be what ends them"
        )
    if "task" in headers:
        _check_options(headers)
    info = properties.get("delivery_info")
    redelivered = isinstance(info, dict) and info.get("redelivered") is True
    return {
        "body": entry["body"],
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {name: headers[name] for name in _HEADERS if name in headers},
        "properties": {
            "delivery_tag": uuid4().hex,
            "delivery_info": {"exchange": "", "routing_key": queue, "redelivered": redelivered},
            "body_encoding": properties.get("body_encoding"),
            "priority": _priority(properties.get("priority")),
        },
    }


def read_task(headers: Mapping[str, Any], body: bytes) -> Task:
    """Read the task of a clean envelope, by either protocol. Raises BadEntry."""
    check_size(body)
    options, arguments, named, embedded = _parts(headers, _parse(body))
    _check_options(options)
    if not isinstance(arguments, list):
        raise BadEntry(f"its arguments are {kind_of(arguments)}, not a list")
    if not isinstance(named, dict):
        raise BadEntry(f"its named arguments are {kind_of(named)}, not an object")
    if "self" in named:  # it would take the place of the task itself
        raise BadEntry("it has a named argument self")
    if not isinstance(embedded, dict):
        raise BadEntry(f"the third part of its body is {shown(embedded)}, not an object or null")
    if further := [name for name in _FURTHER_TASKS if embedded.get(name)]:
        raise BadEntry(f"it would run further tasks ({', '.join(further)})")
    return Task(options["task"], options["id"], arguments, named)


def messages_of(arguments: list[Any], named: dict[str, Any]) -> list[Any]:
    """Return the Messages of a task's arguments: one list of them, or each argument."""
    given = [*arguments, *([named] if named else [])]
    return given[0] if len(given) == 1 and isinstance(given[0], list) else given


def contents(entry: object) -> list[Content]:
    """Return what an entry holds, as far as it can be read: that never fails."""
    try:
        opened, headers, properties = _opened(entry)
        body = opened["body"]
        raw = base64.b64decode(body) if properties.get("body_encoding") == "base64" else body.encode()
        check_size(raw)
        options, arguments, named, embedded = _parts(headers, _parse(raw))
        if not isinstance(arguments, list):
            return [Content(entry)]
        messages = messages_of(arguments, dict(named))
        beside = {name: options[name] for name in ("task", "id", "eta", "expires") if options.get(name)}
        beside |= {name: embedded[name] for name in _FURTHER_TASKS if embedded.get(name)}
    except (BadEntry, AttributeError, LookupError, TypeError, ValueError):
        return [Content(entry)]
    if not 0 < len(messages) <= _MAX_ROWS:
        return [Content(messages, beside)]
    return [Content(message, beside) for message in messages]


def kept_messages(body: str) -> list[Any]:
    """Return the Messages in what was kept of a refused entry: one, unless an earlier version kept a list.

    Raises BadEntry.
    """
    given = _parse(body.encode("utf-8", "surrogatepass"))
    if isinstance(given, str):  # it was not JSON, or too much of it, or an earlier version kept it as text
        given = _parse(given.encode("utf-8", "surrogatepass"))
    if isinstance(given, dict) and "body" in given and given.keys() & {"headers", "properties"}:
        return [content.message for content in contents(given)]
    if isinstance(given, list):
        is_body = len(given) == 3 and isinstance(given[0], list) and isinstance(given[1], dict)  # noqa: PLR2004
        return messages_of(given[0], given[1]) if is_body else messages_of(given, {})
    return [given]


def deaths_of(headers: Mapping[str, Any]) -> int:
    """Return how many workers died that had taken it."""
    deaths = headers.get(DEATHS)
    return deaths if isinstance(deaths, int) else 0  # else it is not ours: anybody can write one


def _opened(given: object) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return an entry, its headers and its properties; either may be absent."""
    if not isinstance(given, dict):
        raise BadEntry(f"it is {kind_of(given)}, not an object")
    return given, _object(given, "headers"), _object(given, "properties")


def _object(entry: dict[str, Any], name: str) -> dict[str, Any]:
    found = entry.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise BadEntry(f"its {name} are {kind_of(found)}, not an object")
    return found


def _check_encoding(entry: dict[str, Any], headers: dict[str, Any], properties: dict[str, Any]) -> None:
    if headers.get("compression"):  # kombu would unpack it whatever comes out
        raise BadEntry("it is compressed; leave task_compression unset")
    kind = entry.get("content-type")
    if kind is not None and not (isinstance(kind, str) and _media_type(kind) == "application/json"):
        raise BadEntry(f"its content-type is {shown(kind)}; only application/json is read")
    encoding = properties.get("body_encoding")
    if encoding is not None and encoding != "base64":
        raise BadEntry(f"its body_encoding is {shown(encoding)}; it should be base64, or left out")


def _media_type(text: str) -> str:
    return text.partition(";")[0].strip().lower()


def _priority(given: object) -> int:
    return min(max(given, 0), 9) if isinstance(given, int) else 0


def _parse(body: bytes) -> Any:
    try:
        return json.loads(
            body, object_hook=from_celery, parse_int=exact_integer, parse_float=exact_float
        )  # NaN and Infinity are read, and refused as any other value of a Message
    except InvalidMessage as error:
        raise BadEntry(str(error)) from None
    except (ValueError, RecursionError) as error:
        raise BadEntry(f"its body is not JSON ({type(error).__name__})") from None


def _parts(headers: Mapping[str, Any], payload: Any) -> tuple[dict[str, Any], Any, Any, Any]:
    """Return options, arguments, named arguments and the rest, of protocol 1 (an object) or 2 (a list)."""
    if isinstance(payload, dict):
        arguments, named = payload.get("args"), payload.get("kwargs")
        options, embedded = {**payload, **headers}, payload
    elif isinstance(payload, list) and len(payload) == 3:  # noqa: PLR2004
        arguments, named, embedded = payload
        options = dict(headers)
    else:
        raise BadEntry(f"its body is {kind_of(payload)}, not [[arguments], {{}}, null]")
    return (
        options,
        [] if arguments is None else arguments,
        {} if named is None else named,
        {} if embedded is None else embedded,
    )


def _check_options(options: Mapping[str, Any]) -> None:
    name, task_id = options.get("task"), options.get("id")
    if not isinstance(name, str) or name not in ALL_TASKS:
        raise BadEntry(f"no task here has the name {shown(name)}")
    if not isinstance(task_id, str) or not _TASK_ID.fullmatch(task_id):
        raise BadEntry(f"its id is {shown(task_id)}; give a new UUID for each task")
    if (eta := options.get("eta")) is not None:  # it would be kept in memory until then
        raise BadEntry(f"it has an eta ({shown(eta)}); give sendAt in the Message instead")
    if (expires := options.get("expires")) is not None:
        _check_expires(expires)


def _check_expires(given: object) -> None:
    instead = "; give expiresAt in the Message instead"
    try:
        at = datetime.fromisoformat(given) if isinstance(given, str) else None
    except ValueError:
        at = None
    if at is None:
        raise BadEntry(f"its expires {shown(given)} is not a time{instead}")
    if (at if at.tzinfo else at.replace(tzinfo=UTC)) <= datetime.now(UTC):  # without a zone Celery means UTC
        raise BadEntry(f"it has expired ({given}){instead}")
