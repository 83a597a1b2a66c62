"""The states of a Delivery, and the only transitions there are between them.

An event that comes late, twice or out of order finds no transition and changes nothing.
"""

from collections.abc import Iterable
from enum import StrEnum


class DeliveryState(StrEnum):
    """What is known of a Delivery. The values are what the API shows."""

    SCHEDULED = "scheduled"  #: its time (`sendAt`) has not come
    QUEUED = "queued"  #: waits for a worker; with a next attempt time, waits to be retried
    SENDING = "sending"  #: claimed by one worker, under a lease and an attempt number
    UNKNOWN = "unknown"  #: it may or may not have been sent
    SENT = "sent"  #: the provider accepted it
    DELIVERED = "delivered"  #: confirmed by a receipt
    UNDELIVERED = "undelivered"  #: accepted, then reported undeliverable
    FAILED = "failed"  #: refused for good, or attempts used up
    SUPPRESSED = "suppressed"  #: the recipient opted out, or consent forbids it
    EXPIRED = "expired"  #: too old to be worth sending
    CANCELED = "canceled"  #: withdrawn before it was sent


_S = DeliveryState

TRANSITIONS: dict[DeliveryState, frozenset[DeliveryState]] = {
    _S.SCHEDULED: frozenset({_S.QUEUED, _S.CANCELED, _S.EXPIRED}),
    # `sent`: an attempt that was held for not sent turns out to have been accepted after all.
    _S.QUEUED: frozenset({_S.SENDING, _S.SENT, _S.CANCELED, _S.EXPIRED, _S.SUPPRESSED}),
    _S.SENDING: frozenset(
        {_S.SENT, _S.QUEUED, _S.FAILED, _S.UNKNOWN, _S.UNDELIVERED, _S.SUPPRESSED, _S.EXPIRED}
    ),
    _S.UNKNOWN: frozenset(
        {_S.SENT, _S.QUEUED, _S.DELIVERED, _S.UNDELIVERED, _S.FAILED, _S.SUPPRESSED, _S.EXPIRED}
    ),
    # `suppressed`: Twilio's code 21610 may come after it was accepted.
    _S.SENT: frozenset({_S.DELIVERED, _S.UNDELIVERED, _S.SUPPRESSED}),
    _S.DELIVERED: frozenset(),
    _S.UNDELIVERED: frozenset(),
    _S.FAILED: frozenset({_S.QUEUED}),
    _S.SUPPRESSED: frozenset(),
    _S.EXPIRED: frozenset({_S.QUEUED}),
    _S.CANCELED: frozenset(),
}

#: The dead letters: people may queue them again, the rest moves by itself.
REDRIVABLE = frozenset({_S.FAILED, _S.EXPIRED})

#: What people may queue again too, if they say that it may then arrive twice.
REDRIVABLE_IN_DOUBT = frozenset({_S.UNKNOWN})

#: A Message shows the state of the Delivery that most wants attention: first what is
#: still under way, then what went wrong, then what went well.
MESSAGE_STATUS_ORDER: tuple[DeliveryState, ...] = (
    _S.SENDING,
    _S.QUEUED,
    _S.SCHEDULED,
    _S.UNKNOWN,
    _S.FAILED,
    _S.UNDELIVERED,
    _S.EXPIRED,
    _S.SUPPRESSED,
    _S.CANCELED,
    _S.SENT,
    _S.DELIVERED,
)


def may_move(before: DeliveryState, after: DeliveryState) -> bool:
    """Whether a Delivery in state `before` may go to `after`."""
    return after in TRANSITIONS[before]


def sources_of(after: DeliveryState) -> frozenset[DeliveryState]:
    """The states from which `after` can be reached: the WHERE clause of every state change."""
    return frozenset(before for before, targets in TRANSITIONS.items() if after in targets)


def message_status(states: Iterable[DeliveryState]) -> DeliveryState:
    """The status of a Message whose Deliveries are in `states` (at least one)."""
    present = set(states)
    return next(state for state in MESSAGE_STATUS_ORDER if state in present)
