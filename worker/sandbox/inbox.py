"""What arrived: the latest messages, and counts of all of them. Held in memory only.

Taking a message costs microseconds, as benchmarks send thousands a second: an e-mail stays raw bytes
until somebody looks at it (see `mail_view`).
"""

import heapq
import re
import secrets
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from messages.delivery import Channel


@dataclass(frozen=True, slots=True, eq=False)
class ArrivedSms:
    """One SMS (or MMS) that the Twilio look-alike accepted."""

    number: int  #: counts arrivals of both channels, from 1
    id: str  #: Twilio's SID
    at: float  #: seconds since the epoch, UTC
    to: str
    sender: str | None
    messaging_service_sid: str | None
    body: str
    media_urls: tuple[str, ...]
    status_callback: str | None

    channel = Channel.SMS

    @property
    def identity(self) -> str | None:
        """What two copies of the same message share: the callback URL, where there is one."""
        return self.status_callback


@dataclass(frozen=True, slots=True, eq=False)
class ArrivedEmail:
    """One e-mail that the SMTP server accepted."""

    number: int  #: counts arrivals of both channels, from 1
    id: str
    at: float  #: seconds since the epoch, UTC
    mail_from: str  #: of the envelope; empty for a bounce
    recipients: tuple[str, ...]  #: of the envelope
    raw: bytes  #: as it came, CRLF line ends
    identity: str | None  #: its Message-ID: what two copies of the same message share

    channel = Channel.EMAIL

    @property
    def to(self) -> str:
        """The recipients in one line."""
        return ", ".join(self.recipients)


Arrived = ArrivedSms | ArrivedEmail


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept; what is older is only counted."""

    sms: int = 50_000  #: many, as the Twilio look-alike is asked for them later
    emails: int = 2_000
    email_bytes: int = 200_000_000


class Inbox:
    """Everything that arrived since the start, or since it was cleared."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._number = 0
        self._life = secrets.token_hex(4)
        self._changes = 0
        self.clear()

    def clear(self) -> None:
        """Forget all messages and counts."""
        self._sms: OrderedDict[str, ArrivedSms] = OrderedDict()
        self._emails: OrderedDict[str, ArrivedEmail] = OrderedDict()
        self._email_bytes = 0
        self._totals: Counter[Channel] = Counter()
        self._without_identity: Counter[Channel] = Counter()
        # Hashes, not texts: this grows with everything that ever arrives.
        self._copies: dict[Channel, Counter[int]] = {channel: Counter() for channel in Channel}
        self._changes += 1

    @property
    def version(self) -> str:
        """Another text whenever something changed."""
        return f"{self._life}-{self._changes}"

    def add_sms(
        self,
        *,
        to: str,
        sender: str | None,
        body: str,
        messaging_service_sid: str | None = None,
        media_urls: tuple[str, ...] = (),
        status_callback: str | None = None,
    ) -> ArrivedSms:
        """Keep an SMS; the oldest one goes when there are too many."""
        prefix = "MM" if media_urls else "SM"
        sms = ArrivedSms(
            self._next(), prefix + secrets.token_hex(16), time.time(), to, sender,
            messaging_service_sid, body, media_urls, status_callback,
        )  # fmt: skip
        self._count(sms)
        self._sms[sms.id] = sms
        if len(self._sms) > self._limits.sms:
            self._sms.popitem(last=False)
        return sms

    def add_email(self, *, mail_from: str, recipients: tuple[str, ...], raw: bytes) -> ArrivedEmail:
        """Keep an e-mail; the oldest ones go when there are too many, or too large together."""
        number = self._next()
        email = ArrivedEmail(
            number, f"EM{number}", time.time(), mail_from, recipients, raw, message_id_of(raw)
        )
        self._count(email)
        self._emails[email.id] = email
        self._email_bytes += len(raw)
        while len(self._emails) > self._limits.emails or self._email_bytes > self._limits.email_bytes:
            _, oldest = self._emails.popitem(last=False)
            self._email_bytes -= len(oldest.raw)
        return email

    def get(self, message_id: str) -> Arrived | None:
        """The message with this id, if it is (still) kept."""
        return self._sms.get(message_id) or self._emails.get(message_id)

    def newest(self, limit: int, *, channel: Channel | None = None, recipient: str = "") -> list[Arrived]:
        """The latest messages, newest first: of one channel, to recipients that contain `recipient`."""
        wanted = recipient_filter(recipient)
        found = (a for a in self._newest_first(channel) if wanted(a.to))
        return list(islice(found, limit))

    def sms_newest_first(self) -> Iterator[ArrivedSms]:
        """Every SMS that is kept."""
        return reversed(self._sms.values())

    def copies(self, arrived: Arrived) -> int:
        """How often this very message arrived; 1 unless somebody sent it twice."""
        if arrived.identity is None:
            return 1
        return self._copies[arrived.channel][hash(arrived.identity)]

    def counts(self) -> dict[str, int]:
        """Totals since the start (or the last `clear`), kept or not."""
        sms, emails = self._distinct(Channel.SMS), self._distinct(Channel.EMAIL)
        return {
            "sms": self._totals[Channel.SMS],
            "email": self._totals[Channel.EMAIL],
            "kept": len(self._sms) + len(self._emails),
            "distinctMessageIds": len(self._copies[Channel.EMAIL]),
            "duplicates": self._totals[Channel.EMAIL] - emails,
            "smsDuplicates": self._totals[Channel.SMS] - sms,
        }

    def _next(self) -> int:
        self._number += 1
        self._changes += 1
        return self._number

    def _count(self, arrived: Arrived) -> None:
        self._totals[arrived.channel] += 1
        if arrived.identity is None:
            self._without_identity[arrived.channel] += 1
        else:
            self._copies[arrived.channel][hash(arrived.identity)] += 1

    def _distinct(self, channel: Channel) -> int:
        return len(self._copies[channel]) + self._without_identity[channel]

    def _newest_first(self, channel: Channel | None) -> Iterator[Arrived]:
        both: list[Iterator[Arrived]] = []
        if channel is not Channel.EMAIL:
            both.append(reversed(self._sms.values()))
        if channel is not Channel.SMS:
            both.append(reversed(self._emails.values()))
        return heapq.merge(*both, key=lambda arrived: -arrived.number)


_MESSAGE_ID = re.compile(rb"^message-id:[ \t]*(?:\r\n[ \t]+)?([^\r\n]+)", re.IGNORECASE | re.MULTILINE)
_NOT_A_DIGIT = re.compile(r"\D")
_PHONE_LIKE = re.compile(r"[\d\s()+.-]*\d[\d\s()+.-]*")


def message_id_of(raw: bytes) -> str | None:
    """The Message-ID in an e-mail's header, without parsing the rest."""
    end = raw.find(b"\r\n\r\n")
    match = _MESSAGE_ID.search(raw, 0, end if end >= 0 else len(raw))
    return match.group(1).strip().decode("utf-8", "replace") if match else None


def recipient_filter(typed: str) -> Callable[[str], bool]:
    """A test for recipients: `(804) 222` finds +18042221111, `pat@` finds e-mail, nothing finds all."""
    text = typed.strip().lower()
    digits = _NOT_A_DIGIT.sub("", text) if _PHONE_LIKE.fullmatch(text) else ""

    def matches(recipient: str) -> bool:
        if digits and recipient.startswith("+"):
            return digits in recipient
        return text in recipient.lower()

    return matches
