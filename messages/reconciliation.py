"""What became of an SMS in doubt, judged by what its provider lists: a pure decision.

Two mistakes are possible, and the rules avoid both. To hold an SMS for absent that was sent is a second
SMS: so it is absent only where the provider lists nothing that could be it, not even with another text, as
some accounts get a prefix, shorter links or no text at all. To hold another's SMS for this one is a lost
SMS: so what any Delivery has for its own does not count, and while one with the same text is on the wire,
nothing is decided.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import sha256

from messages.outcomes import ActionBy
from messages.retry import Tries
from messages.states import DeliveryState

#: How much older than the attempt, by the provider's clock, its SMS may seem; in ms.
BEFORE_MS = 5 * 60_000
#: How much later it may have been taken: the longest hand-over and, again, the clocks; in ms.
AFTER_MS = 10 * 60_000

ABSENT = "Twilio has no such message: it was not sent."
_UNDER_WAY = "Another SMS with the same text is on its way to the same number."
_TOO_MANY = "Twilio has more messages with this text to this number than Roundsman sent."
_STRANGER = "Twilio has another message to this number from that time; it may be this one."


@dataclass(frozen=True, slots=True)
class AskPolicy:
    """When the provider is asked. All in ms, counted from when the hand-over was begun."""

    settle_ms: int  #: not before: what was taken is listed only after a moment
    max_age_ms: int  #: not after: it then stays `unknown`
    max_pause_ms: int  #: between two questions; the pause doubles up to this


@dataclass(frozen=True, slots=True)
class Unsettled:
    """An SMS that may or may not have been sent: its last attempt."""

    delivery_id: str
    recipient: str  #: E.164
    attempt: int
    tries: Tries
    since: int  #: ms since the epoch, UTC: when its hand-over was begun
    text_hash: str | None  #: of the text as it was handed over; None: not known


@dataclass(frozen=True, slots=True)
class Ended:
    """The provider took it and could not deliver it."""

    state: DeliveryState  #: `failed`: it never left the provider; `undelivered`; or `suppressed`
    reason: str  #: a sentence
    code: str | None = None  #: the provider's own
    action_by: ActionBy = ActionBy.OPERATOR


@dataclass(frozen=True, slots=True)
class Listed:
    """A message that the provider has, to the number that was asked for."""

    provider_id: str
    text_hash: str
    created_at: int | None  #: ms since the epoch, UTC, in whole seconds; None: it did not say
    ended: Ended | None = None


@dataclass(frozen=True, slots=True)
class Rivals:
    """Other Deliveries with the same text to the same number, from that time."""

    unknown: int  #: in doubt as well
    under_way: int  #: on the wire


@dataclass(frozen=True, slots=True)
class Found:
    """The provider took it, and this is it."""

    provider_id: str
    at: int  #: ms since the epoch, UTC
    ended: Ended | None = None


@dataclass(frozen=True, slots=True)
class Absent:
    """It was surely not sent."""


@dataclass(frozen=True, slots=True)
class CannotTell:
    """Neither can be said yet; `reason` is a sentence."""

    reason: str


Verdict = Found | Absent | CannotTell


def text_hash(text: str) -> str:
    """The same for texts that differ only in white space, which carriers and providers trim."""
    return sha256(" ".join(text.split()).encode("utf-8", "surrogatepass")).hexdigest()


def relevant(asked: Unsettled, listed: Sequence[Listed]) -> list[Listed]:
    """Those that are not from before the attempt."""
    return [m for m in listed if m.created_at is None or m.created_at >= asked.since - BEFORE_MS]


def judge(asked: Unsettled, listed: Sequence[Listed], *, taken: Collection[str], rivals: Rivals) -> Verdict:
    """Say what became of it. `taken`: provider ids that Deliveries have for their own.

    Where several with the same text to the same number are in doubt, which one is which does not
    matter: each takes one that was sent, and those for which none is left were not.
    """
    free = [m for m in relevant(asked, listed) if m.provider_id not in taken]
    mine = [m for m in free if m.text_hash == asked.text_hash and _in_time(asked, m)]
    if mine and rivals.under_way:
        return CannotTell(_UNDER_WAY)
    if len(mine) > 1 + rivals.unknown:
        return CannotTell(_TOO_MANY)
    if mine:
        oldest = min(mine, key=lambda m: (m.created_at or 0, m.provider_id))
        return Found(oldest.provider_id, max(asked.since, oldest.created_at or 0), oldest.ended)
    if any(_in_time(asked, m) or m.text_hash == asked.text_hash for m in free):
        return CannotTell(_STRANGER)
    return Absent()


def _in_time(asked: Unsettled, message: Listed) -> bool:
    return message.created_at is None or message.created_at <= asked.since + AFTER_MS
