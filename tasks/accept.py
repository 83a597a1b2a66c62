"""Accept: the queue entrance, for producers without HTTP. The same checks as at the HTTP door."""

import logging
from collections.abc import Sequence
from typing import Any

from messages.acceptance import Acceptance
from messages.delivery import Channel
from messages.draft import Draft
from messages.errors import Conflict, InvalidMessage, StoreUnavailable
from messages.ids import content_id
from messages.store import Accepted
from messages.wording import told
from tasks.parts import Parts
from tasks.refuse import refuse

log = logging.getLogger(__name__)

#: Of a list, so many share one transaction, and are in memory with what is said of them.
AT_ONCE = 500


def accept(parts: Parts, arguments: Sequence[Any], task_id: str) -> None:
    """Accept the arguments: one list of Messages, or Messages. Raises StoreUnavailable.

    What is refused is kept with its reason. A task that comes twice accepts nothing twice: its
    id makes the idempotency key of a Message without an id of its own.
    """
    if not arguments:
        none = InvalidMessage("tasks.accept was given no argument; give a Message or a list")
        refuse(parts, [(None, none)])
    entries = arguments[0] if len(arguments) == 1 and isinstance(arguments[0], list) else arguments
    for start in range(0, len(entries), AT_ONCE):
        keys = [_key(raw, task_id, start + n) for n, raw in enumerate(entries[start : start + AT_ONCE])]
        _accept_some(parts, entries[start : start + AT_ONCE], keys)


def _accept_some(parts: Parts, entries: Sequence[Any], keys: Sequence[str | None]) -> None:
    refused: list[tuple[object, InvalidMessage]] = []
    drafts: list[tuple[object, Draft]] = []
    waiting: list[tuple[str, Channel]] = []
    for raw, key in zip(entries, keys, strict=True):
        try:
            drafts.append((raw, parts.acceptor.draft(raw, key)))
        except InvalidMessage as error:
            refused.append((raw, error))
        except Exception as error:  # noqa: BLE001 - a bug must not take the rest of the list with it
            log.error("Nobody classified %s while an entry was checked", told(error))  # noqa: TRY400
            refused.append((raw, InvalidMessage(f"It could not be checked ({type(error).__name__}).")))
    for (raw, _), result in zip(drafts, _store(parts, [d for _, d in drafts]), strict=True):
        if isinstance(result, Accepted):
            waiting.extend(result.waiting)
        else:
            refused.append((raw, _as_invalid(result)))
    parts.doorbell.ring(waiting)
    if refused:
        refuse(parts, refused)
        log.warning("Refused %d entries; see: roundsman list --refused", len(refused))


def _store(parts: Parts, drafts: Sequence[Draft]) -> list[Acceptance]:
    """Together; where that fails, each by itself, so that one that cannot be stored spoils no other."""
    try:
        return parts.acceptor.accept(drafts)
    except StoreUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 - a bug must not take the rest of the list with it
        log.error("Nobody classified %s while entries were stored", told(error))  # noqa: TRY400
        if len(drafts) > 1:
            return [result for one in drafts for result in _store(parts, [one])]
        return [InvalidMessage(f"It could not be stored ({type(error).__name__}).")]


def _key(raw: object, task_id: str, index: int) -> str | None:
    has_id = isinstance(raw, dict) and raw.get("id")
    return None if has_id else content_id("task", f"{task_id}\0{index}".encode("utf-8", "replace"))


def _as_invalid(error: InvalidMessage | Conflict) -> InvalidMessage:
    return (
        error if isinstance(error, InvalidMessage) else InvalidMessage(str(error), {error.field: str(error)})
    )
