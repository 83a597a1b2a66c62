"""A Delivery: one Message to one recipient on one channel."""

from dataclasses import dataclass
from enum import StrEnum

from messages.retry import Tries


class Channel(StrEnum):
    """A way to reach a recipient. The value is what the API shows."""

    SMS = "sms"
    EMAIL = "email"


class Lane(StrEnum):
    """Where a Delivery waits: in its channel's lane, or if it came with many others, in the one beside it.

    What is alone never waits for a bulk. The value is the name of the queue, and what the store keeps.
    """

    SMS = "sms"
    EMAIL = "email"
    SMS_BULK = "sms.bulk"
    EMAIL_BULK = "email.bulk"

    @staticmethod
    def of(channel: Channel, *, bulk: bool) -> "Lane":
        """The lane of this channel."""
        return Lane(f"{channel}.bulk" if bulk else channel)

    @property
    def bulk(self) -> bool:
        """Whether it is one of those that give way."""
        return self.value.endswith(".bulk")

    @property
    def channel(self) -> Channel:
        """The channel by which all that waits there goes."""
        return Channel(self.value.removesuffix(".bulk"))


#: Deliveries to enqueue.
Waiting = list[tuple[str, Lane]]


@dataclass(frozen=True, slots=True)
class Route:
    """Where a Delivery goes, and in whose name. What routing decides."""

    channel: Channel
    recipient: str  #: E.164 for SMS, an address for e-mail
    sender: str | None  #: None: the provider chooses
    reply_to: str | None = None  #: e-mail only


#: An e-mail that may have arrived this often is not sent again: it becomes `unknown`. A mail server
#: that takes everything and confirms nothing would otherwise fill a mailbox.
MOST_DOUBTS = 3


@dataclass(frozen=True, slots=True)
class Lease:
    """For how long a worker holds what it claims. Times are ms since the epoch, UTC."""

    since: int
    until: int
    worker: str | None = None  #: whose it is, as that shows life on the broker


@dataclass(frozen=True, slots=True)
class Claim:
    """A Delivery that a worker holds: as long as its lease, and only under this `attempt` number.

    Every later write names the attempt number, so whoever lost the lease can write nothing.
    """

    delivery_id: str
    message_id: str
    route: Route
    attempt: int  #: 1 for the first attempt; the fencing token
    first_attempt_at: int  #: ms since the epoch, UTC; the age that bounds retries
    lease: Lease
    first_attempt: int = 1  #: the number from which retries are counted: a redrive begins anew
    expires_at: int | None = None  #: ms since the epoch, UTC; from then on nothing may be begun
    placed: bool = False  #: it has waited for its sender's rate: see `messages.pace`
    doubts: int = 0  #: earlier attempts of which it is not known whether they arrived
    bulk: bool = False  #: it came with many others, and gives way to what is alone

    @property
    def tries(self) -> Tries:
        """What was tried so far, this attempt included."""
        return Tries(self.attempt - self.first_attempt + 1, self.first_attempt_at, self.expires_at)


@dataclass(frozen=True, slots=True)
class Beginning:
    """What is about to go on the wire, under this claim."""

    claim: Claim
    text_hash: str | None = None  #: of an SMS: see `messages.reconciliation`
