"""Accept: the queue entrance, for producers without HTTP. The same checks as at the HTTP door."""

import logging
from collections.abc import Sequence
from typing import Any

import orjson

from messages.delivery import Channel
from messages.draft import Draft
from messages.errors import Conflict, InvalidMessage
from messages.ids import content_id
from messages.store import Accepted
from tasks.parts import Parts

log = logging.getLogger(__name__)


def accept(parts: Parts, arguments: Sequence[Any], task_id: str) -> None:
    """Accept the arguments: one list of Messages, or Messages. Raises StoreUnavailable.

    What is refused is kept with its reason. A task that comes twice accepts nothing twice: its
    id makes the idempotency key of a Message without an id of its own.
    """
    entries = arguments[0] if len(arguments) == 1 and isinstance(arguments[0], list) else list(arguments)
    refused: list[tuple[object, InvalidMessage]] = []
    if not arguments:
        refused.append((None, InvalidMessage("tasks.accept was given no argument; give a Message or a list")))
    drafts: list[tuple[object, Draft]] = []
    waiting: list[tuple[str, Channel]] = []
    for index, raw in enumerate(entries):
        try:
            drafts.append((raw, parts.acceptor.draft(raw, _key(raw, task_id, index))))
        except InvalidMessage as error:
            refused.append((raw, error))
        except Exception as error:  # noqa: BLE001 - a bug must not take the rest of the list with it
            log.error("Nobody classified %s while an entry was checked", type(error).__name__)  # noqa: TRY400
            refused.append((raw, InvalidMessage(f"It could not be checked ({type(error).__name__}).")))
    for (raw, _), result in zip(drafts, parts.acceptor.accept([d for _, d in drafts]), strict=True):
        if isinstance(result, Accepted):
            waiting.extend(result.waiting)
        else:
            refused.append((raw, _as_invalid(result)))
    parts.doorbell.ring(waiting)
    if refused:
        parts.store.refuse([(_as_json(raw), error) for raw, error in refused], parts.clock())
        log.warning("Refused %d entries; see: roundsman list --refused", len(refused))


def _key(raw: object, task_id: str, index: int) -> str | None:
    has_id = isinstance(raw, dict) and raw.get("id")
    return None if has_id else content_id("task", f"{task_id}\0{index}".encode("utf-8", "replace"))


def _as_invalid(error: InvalidMessage | Conflict) -> InvalidMessage:
    return (
        error if isinstance(error, InvalidMessage) else InvalidMessage(str(error), {error.field: str(error)})
    )


def _as_json(raw: object) -> str:
    try:
        return orjson.dumps(raw).decode()
    except (TypeError, orjson.JSONEncodeError):  # half a surrogate pair, a huge number, deep nesting
        return orjson.dumps(ascii(raw)[:10_000]).decode()
