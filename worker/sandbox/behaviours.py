"""The addresses that misbehave on purpose, as data: SMTP, the Twilio look-alike and the page read this table.

Every address that is not listed is accepted.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from enum import StrEnum

from messages.delivery import Channel


class Act(StrEnum):
    """What an address does to a message."""

    ACCEPT = "accept"
    REFUSE = "refuse"  #: for good
    LATER = "later"  #: refused for now, the first `TIMES_LATER` tries of each message; then accepted
    ALWAYS_LATER = "always-later"  #: refused for now, every time
    SLOW = "slow"  #: taken at once, answered late
    DROP = "drop"  #: taken, then the connection is cut in place of an answer


class Role(StrEnum):
    """Which end of a message an address is."""

    TO = "to"
    FROM = "from"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One address and what it does."""

    channel: Channel
    address: str
    act: Act
    code: str  #: what the provider answers: an SMTP code, a Twilio error code; empty: no answer
    does: str  #: for people
    role: Role = Role.TO


TIMES_LATER = 2
RETRY_AFTER_SECONDS = 1  #: what a 429 of the Twilio look-alike asks for
SLOW_SECONDS = 5.0
MAIL_DOMAIN = "sandbox.test"

_LATER = f"Refused for now, {TIMES_LATER} times for each message, then accepted"
_ALWAYS_LATER = "Refused for now, every time"
_SLOW = f"Taken at once, but answered only after {SLOW_SECONDS:.0f} seconds"
_DROP = "Taken and shown here, but the connection is cut before the answer"


def _email(name: str, act: Act, code: str, does: str) -> Behaviour:
    return Behaviour(Channel.EMAIL, f"{name}@{MAIL_DOMAIN}", act, code, does)


def _sms(ending: int, act: Act, code: str, does: str, role: Role = Role.TO) -> Behaviour:
    return Behaviour(Channel.SMS, f"+150055500{ending:02}", act, code, does, role)


#: +1 500 555 0001 to 0009 are Twilio's own magic numbers, from "Test Credentials" in Twilio's
#: documentation; 0011 to 0014 are the sandbox's.
BEHAVIOURS: tuple[Behaviour, ...] = (
    _email("refused", Act.REFUSE, "550 5.1.1", "Refused for good: no such mailbox"),
    _email("later", Act.LATER, "451 4.3.2", _LATER),
    _email("always-later", Act.ALWAYS_LATER, "451 4.3.2", _ALWAYS_LATER),
    _email("slow", Act.SLOW, "250 2.0.0", _SLOW),
    _email("dropped", Act.DROP, "", _DROP),
    _sms(1, Act.REFUSE, "21211", "Refused for good: not a valid number"),
    _sms(2, Act.REFUSE, "21612", "Refused for good: Twilio has no route to it"),
    _sms(3, Act.REFUSE, "21408", "Refused for good: its region is not enabled for the account"),
    _sms(4, Act.REFUSE, "21610", "Refused for good: the recipient opted out"),
    _sms(9, Act.REFUSE, "21614", "Refused for good: cannot receive SMS"),
    _sms(11, Act.LATER, "20429", _LATER),
    _sms(12, Act.ALWAYS_LATER, "20429", _ALWAYS_LATER),
    _sms(13, Act.SLOW, "201", _SLOW),
    _sms(14, Act.DROP, "", _DROP),
    _sms(1, Act.REFUSE, "21212", "As sender: not a valid number", Role.FROM),
    _sms(6, Act.ACCEPT, "201", "As sender: accepted", Role.FROM),
    _sms(7, Act.REFUSE, "21606", "As sender: not a number of the account", Role.FROM),
    _sms(8, Act.REFUSE, "21611", "As sender: its queue is full, try again later", Role.FROM),
)

_BY_ADDRESS = {(b.channel, b.role, b.address): b for b in BEHAVIOURS}


def behaviour_of(channel: Channel, address: str, role: Role = Role.TO) -> Behaviour | None:
    """What `address` does on purpose; None: nothing, it is accepted. Case does not matter."""
    return _BY_ADDRESS.get((channel, role, address.lower()))


class Tries:
    """Counts the tries of each message to an address that is refused for now at first."""

    def __init__(self, remember: int = 10_000) -> None:
        self._tries: OrderedDict[Hashable, int] = OrderedDict()
        self._remember = remember

    def is_refused(self, message: Hashable) -> bool:
        """Count one more try of `message` (anything that identifies it); True for the first `TIMES_LATER`."""
        tries = self._tries.pop(message, 0) + 1
        if tries > TIMES_LATER:
            return False
        self._tries[message] = tries
        if len(self._tries) > self._remember:
            self._tries.popitem(last=False)
        return True

    def clear(self) -> None:
        """Forget all of them."""
        self._tries.clear()
