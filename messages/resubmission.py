"""Submit a refused entry of the queue again, as it was given, through the same acceptance as before."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from messages.acceptance import Acceptor
from messages.clock import Clock
from messages.errors import Conflict, InvalidMessage, RoundsmanError
from messages.ids import content_id
from messages.queue_entries import BadEntry, kept_messages
from messages.store import Accepted, Refused


def resubmit(acceptor: Acceptor, entry: Refused, clock: Clock) -> list[Accepted]:
    """Accept what the entry holds, and forget the entry; the caller enqueues what is accepted.

    Repeated, also by two people at once, it accepts nothing twice: a Message without an id of its own has an
    idempotency key made from the entry's. An entry that is refused again stays, with the new reason.
    Raises InvalidMessage, Conflict, Unforeseen, StoreUnavailable.
    """
    _check_eta(entry.task, clock())
    try:
        given = kept_messages(entry.body)
    except BadEntry as error:
        raise InvalidMessage(f"It cannot be read: {error}; have its producer send it again") from None
    checked = acceptor.check([(raw, _key(raw, entry.id, n)) for n, raw in enumerate(given)])
    results = acceptor.accept_each(checked)
    wrong = next((result for result in results if not isinstance(result, Accepted)), None)
    if wrong is not None:
        _keep_reason(acceptor, entry, wrong)
        raise wrong
    acceptor.store.forget_refused(entry.id)
    return [result for result in results if isinstance(result, Accepted)]


def _keep_reason(acceptor: Acceptor, entry: Refused, error: RoundsmanError) -> None:
    if isinstance(error, InvalidMessage):
        acceptor.store.refuse_again(entry.id, error)
    elif isinstance(error, Conflict):
        acceptor.store.refuse_again(entry.id, InvalidMessage(str(error), {error.field: str(error)}))


def _key(raw: object, refused_id: str, index: int) -> str | None:
    has_id = isinstance(raw, dict) and raw.get("id")
    return None if has_id else content_id("refused", f"{refused_id}\0{index}".encode())


def _check_eta(task: str | None, now: int) -> None:
    """Its producer did not want it sent before that."""
    eta = json.loads(task).get("eta") if task else None
    try:
        at = datetime.fromisoformat(eta) if isinstance(eta, str) else None
    except ValueError:
        return
    if at and (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000 > now:
        raise InvalidMessage(
            f"Its task has the eta {eta}, which lies ahead; redrive it after that, "
            "or post the Message with that time as its sendAt"
        )


def one_of(found: Sequence[Refused], wanted: str) -> Refused:
    """Return the one that is meant. Raises RoundsmanError."""
    if not found:
        raise RoundsmanError(f"No refused entry has the id {wanted!r}; see: roundsman list --refused")
    if len(found) > 1:
        ids = ", ".join(entry.id for entry in found)
        raise RoundsmanError(f"{len(found)} refused entries have the id {wanted!r}: give one of {ids}")
    return found[0]
