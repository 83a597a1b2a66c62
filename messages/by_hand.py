"""By hand: a person or a program has Messages redriven or canceled. Each leaves an event that says who."""

from collections.abc import Sequence
from enum import StrEnum

from messages.errors import MessageNotFound, NothingToDo
from messages.states import REDRIVABLE_IN_DOUBT, DeliveryState
from messages.store import ByHand, Store, Stored


class Action(StrEnum):
    """What can be done to a Message by hand."""

    REDRIVE = "redrive"
    CANCEL = "cancel"


_LIMITS = {
    Action.REDRIVE: "only what failed or expired can be queued again",
    Action.CANCEL: "only what is scheduled or queued can be withdrawn",
}

_IN_DOUBT = (
    "; what is unknown may have been sent, and can be queued again only where that is asked for "
    "(roundsman redrive --unknown, or ?unknown=true): it may then arrive twice"
)


def carry_out(
    store: Store, action: Action, message_ids: Sequence[str], by: str, now: int, *, even_unknown: bool = False
) -> ByHand:
    """Do it, in one transaction. `by`: who does it, as the event is to say. Raises StoreUnavailable.

    `even_unknown`: redrive also what may have been sent.
    """
    match action:
        case Action.REDRIVE:
            return store.redrive(message_ids, by, now, even_unknown=even_unknown)
        case Action.CANCEL:
            return store.cancel(message_ids, by, now)


def message_of(action: Action, message_id: str, done: ByHand) -> Stored:
    """The Message, of which at least one Delivery was moved. Raises MessageNotFound, NothingToDo."""
    stored = next((found for found in done.found if found.message.id == message_id), None)
    if stored is None:
        raise MessageNotFound(message_id)
    moved = {delivery_id for delivery_id, _ in done.moved}
    if not any(delivery.id in moved for delivery in stored.deliveries):
        raise NothingToDo(_sentence(action, stored), stored.status)
    return stored


def _sentence(action: Action, stored: Stored) -> str:
    states = " and ".join(f"its {d.channel} is {_in_words(d.state)}" for d in stored.deliveries)
    unknown = any(d.state in REDRIVABLE_IN_DOUBT for d in stored.deliveries)
    more = _IN_DOUBT if unknown and action is Action.REDRIVE else ""
    return f"There is nothing to {action} in {stored.message.id}: {states}; {_LIMITS[action]}{more}"


def _in_words(state: str) -> str:
    return "being sent" if state == DeliveryState.SENDING else state
