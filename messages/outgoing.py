"""What is handed to a channel: a rendered Delivery, ready for the wire."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from messages.outcomes import Outcome
from messages.reconciliation import CannotTell, Listed


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes along. Without `content` and `url`, the store has its content."""

    id: str
    filename: str | None
    mime_type: str | None
    url: str | None = None  #: http(s); None when `content` is held
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class RenderedSms:
    """The `sms.txt` part, rendered."""

    body: str


@dataclass(frozen=True, slots=True)
class RenderedEmail:
    """The e-mail parts, rendered. `text` is derived from `html` where the template has no body.txt."""

    subject: str
    text: str
    html: str | None


@dataclass(frozen=True, slots=True)
class OutgoingSms:
    """One SMS for the wire."""

    delivery_id: str
    recipient: str  #: E.164
    sender: str | None  #: E.164; None: the account's default
    body: str
    media_urls: tuple[str, ...] = ()
    expires_at: int | None = None  #: ms since the epoch; the provider is not to send it from then on


@dataclass(frozen=True, slots=True)
class OutgoingEmail:
    """One e-mail for the wire; one recipient."""

    delivery_id: str
    recipient: str
    sender: str | None  #: an address, or `Name <address>`; None: the default sender
    reply_to: str | None
    content: RenderedEmail
    attachments: tuple[Attachment, ...] = ()


class Permit(Protocol):
    """Leave to hand over one Delivery: for a while, and only as long as the claim is held."""

    @property
    def begin_by(self) -> int:
        """Nothing is begun after this time, in ms since the epoch: the claim would be lost meanwhile."""

    @property
    def bulk(self) -> bool:
        """It came with many others: what is alone goes first."""

    async def begin(self) -> bool:
        """Mark that it is about to go on the wire. False: it is no longer ours, nothing may be written."""


class SmsChannel(Protocol):
    """Hands SMS to a provider. Never raises for what the provider does: that is the Outcome."""

    async def send(self, sms: OutgoingSms, permit: Permit) -> Outcome:
        """Try once, under this permit."""

    async def listed(self, recipient: str) -> Sequence[Listed] | CannotTell:
        """All messages to this number (E.164) that the provider has, however far it has come with them."""

    async def close(self) -> None:
        """Close all connections."""


class EmailChannel(Protocol):
    """Hands e-mail to a server. Never raises for what the server does: that is the Outcome."""

    async def send(self, email: OutgoingEmail, permit: Permit) -> Outcome:
        """Try once, under this permit."""

    async def close(self) -> None:
        """Close all connections."""
