"""Accept: the queue entrance, for producers without HTTP. The same checks as at the HTTP door."""

import logging
from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import Any

from messages.acceptance import Checked, Result
from messages.bulk import BULK_FROM
from messages.errors import Conflict, InvalidMessage, StoreUnavailable, Unforeseen
from messages.ids import content_id
from messages.store import Accepted
from tasks.parts import Parts
from tasks.refuse import refuse

log = logging.getLogger(__name__)

#: Of a list, so many share one transaction, and are in memory with what is said of them.
AT_ONCE = 200


def is_bulk(arguments: Sequence[Any]) -> bool:
    """Whether it is a long list, which others are not to wait for."""
    return len(_entries(arguments)) >= BULK_FROM


def accept(parts: Parts, arguments: Sequence[Any], task_id: str) -> None:
    """Accept the arguments: one list of Messages, or Messages. Raises StoreUnavailable.

    What other threads accept now shares the transaction. What is refused is kept with its reason. A task
    that comes twice accepts nothing twice: its id makes the idempotency key of a Message without an id of
    its own.
    """
    if not arguments:
        none = InvalidMessage("tasks.accept was given no argument; give a Message or a list")
        refuse(parts, [(None, none)])
    entries, bulk = _entries(arguments), is_bulk(arguments)
    for start in range(0, len(entries), AT_ONCE):
        keys = [_key(raw, task_id, start + n) for n, raw in enumerate(entries[start : start + AT_ONCE])]
        _accept_some(parts, entries[start : start + AT_ONCE], keys, bulk=bulk)


def _accept_some(parts: Parts, entries: Sequence[Any], keys: Sequence[str | None], *, bulk: bool) -> None:
    checked = parts.acceptor.check(zip(entries, keys, strict=True), bulk=bulk)
    results = parts.entrance.submit(checked, partial(_store, parts), weight=len(checked))
    refused = []
    for raw, result in zip(entries, results, strict=True):
        if isinstance(result, StoreUnavailable):  # the task comes again, and what is stored is known then
            raise result
        if not isinstance(result, Accepted):
            refused.append((raw, _as_invalid(result)))
    if refused:
        refuse(parts, refused)
        log.warning("Refused %d entries; see: roundsman list --refused", len(refused))


def _store(parts: Parts, groups: Sequence[Sequence[Checked]]) -> list[list[Result]]:
    """All in one transaction, and rung for at once."""
    results = parts.acceptor.accept_each([one for group in groups for one in group])
    new = [result for result in results if isinstance(result, Accepted) and result.waiting]
    rung_at = min((result.rung_at for result in new), default=None)
    parts.doorbell.ring((w for result in new for w in result.waiting), rung_at)
    rest = iter(results)
    return [list(islice(rest, len(group))) for group in groups]


def _entries(arguments: Sequence[Any]) -> Sequence[Any]:
    return arguments[0] if len(arguments) == 1 and isinstance(arguments[0], list) else arguments


def _key(raw: object, task_id: str, index: int) -> str | None:
    has_id = isinstance(raw, dict) and raw.get("id")
    return None if has_id else content_id("task", f"{task_id}\0{index}".encode("utf-8", "replace"))


def _as_invalid(error: InvalidMessage | Conflict | Unforeseen) -> InvalidMessage:
    fields = {error.field: str(error)} if isinstance(error, Conflict) else {}
    return error if isinstance(error, InvalidMessage) else InvalidMessage(str(error), fields)
