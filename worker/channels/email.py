"""E-mail by SMTP, one recipient a transaction."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import aiosmtplib

from messages.clock import Clock, system_clock
from messages.errors import AttachmentError
from messages.outcomes import Failed, FailureKind, Outcome, Sent
from messages.outgoing import Attachment, OutgoingEmail, Permit
from worker.channels.mailbox import Mailbox, MailboxError, parse_mailbox
from worker.channels.mime import Addresses, File, build, message_id
from worker.channels.smtp_errors import Stage, classify
from worker.channels.smtp_pool import ConnectFailed, Connection, SmtpPool, parse_url
from worker.channels.turns import NotBegun, Turns

#: Bytes of attachments from which a message is built in a thread: it would hold the event loop up.
_LARGE = 500_000

#: How many e-mails are built, with their attachments in memory, before it is their turn.
BUILT_AHEAD = 4

Fetch = Callable[[Sequence[Attachment]], Awaitable[list[File]]]


@dataclass(slots=True)
class _HandOver:
    """An e-mail on its way: what is handed over, and how far it has come."""

    sender: str
    recipient: str
    text: bytes
    utf8: bool  #: needs SMTPUTF8
    stage: Stage = Stage.CONNECT

    @property
    def encoding(self) -> str:
        """Of the addresses on the wire."""
        return "utf-8" if self.utf8 else "ascii"


class _StaleConnectionError(Exception):
    """A connection that had been kept was found closed; nothing was sent on it."""


class SmtpEmail:
    """The e-mail channel. Use it on one event loop; it connects at the first send.

    `url`: SMTP_URL. `default_sender`: an address, or `Name <address>`. `connections`: how many at most.
    `timeout`: seconds for handing over one e-mail, all of it, once it is its turn. `fetch`:
    has the attachments (`AttachmentFetcher.fetch_all`). `tls_context`: instead of the system's
    certificate authorities.
    """

    def __init__(
        self,
        url: str,
        *,
        default_sender: str,
        fetch: Fetch,
        connections: int = 4,
        timeout: float = 30,
        tls_context: ssl.SSLContext | None = None,
        clock: Clock = system_clock,
    ) -> None:
        self._default_sender, self._fetch, self._timeout, self._clock = default_sender, fetch, timeout, clock
        self._turns = Turns(connections, clock)
        self._built = Turns(connections + BUILT_AHEAD, clock)
        self._pool = SmtpPool(parse_url(url), timeout=timeout, tls_context=tls_context)

    async def send(self, email: OutgoingEmail, permit: Permit) -> Outcome:
        """Try once, under this permit."""
        try:
            addresses = self._addresses(email)
            async with self._built.room(permit):
                hand_over = await self._prepare(email, addresses)
                async with self._turns.turn(permit):
                    failed = await self._hand_over(hand_over)
        except MailboxError as error:
            return Failed(FailureKind.PERMANENT, str(error))
        except AttachmentError as error:
            return Failed(FailureKind.RETRYABLE if error.temporary else FailureKind.PERMANENT, error.reason)
        except NotBegun as late:
            return late.as_outcome()
        return failed or Sent(message_id(email.delivery_id, addresses.sender))

    async def close(self) -> None:
        """Close the connections; one that is in use is closed when it is given back."""
        await self._pool.close()

    def _addresses(self, email: OutgoingEmail) -> Addresses:
        sender = parse_mailbox(
            email.sender or self._default_sender, "sender" if email.sender else "SENDER_EMAIL setting"
        )
        reply_to = parse_mailbox(email.reply_to, "reply-to address") if email.reply_to else None
        return Addresses(sender, parse_mailbox(email.recipient, "recipient"), reply_to)

    async def _prepare(self, email: OutgoingEmail, addresses: Addresses) -> _HandOver:
        files = await self._fetch(email.attachments) if email.attachments else []
        return _HandOver(
            addresses.sender.address,
            addresses.recipient.address,
            await self._build(email, files, addresses),
            _needs_smtputf8(addresses),
        )

    async def _build(self, email: OutgoingEmail, files: list[File], addresses: Addresses) -> bytes:
        now = datetime.fromtimestamp(self._clock() / 1000, UTC)
        if sum(len(file.content) for file in files) < _LARGE:
            return build(email, files, addresses=addresses, now=now)
        return await asyncio.to_thread(build, email, files, addresses=addresses, now=now)

    async def _hand_over(self, hand_over: _HandOver) -> Failed | None:
        try:
            async with asyncio.timeout(self._timeout):
                try:
                    return await self._on_a_connection(hand_over, fresh=False)
                except _StaleConnectionError:
                    return await self._on_a_connection(hand_over, fresh=True)
        except TimeoutError as error:
            return classify(error, hand_over.stage)

    async def _on_a_connection(self, hand_over: _HandOver, *, fresh: bool) -> Failed | None:
        hand_over.stage = Stage.CONNECT
        try:
            async with self._pool.connection(fresh=fresh) as connection:
                hand_over.stage = Stage.SENDER
                return await _transact(connection, hand_over)
        except ConnectFailed as failed:
            return classify(failed.__cause__ or failed, failed.stage)
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            return classify(error, hand_over.stage)


async def _transact(connection: Connection, hand_over: _HandOver) -> Failed | None:
    """Do one transaction. What it raises closes the connection; a reply that says no does not."""
    smtp = connection.smtp
    try:
        await _begin(connection, hand_over)
        hand_over.stage = Stage.RECIPIENT
        await smtp.rcpt(hand_over.recipient, encoding=hand_over.encoding)
        hand_over.stage = Stage.TEXT
        await smtp.data(hand_over.text)
    except aiosmtplib.SMTPResponseException as error:
        if error.code < 0:  # not a reply at all: the two sides no longer understand each other
            raise
        connection.needs_reset = True  # done when it is next used, so that this outcome need not wait
        return classify(error, hand_over.stage)
    return None


async def _begin(connection: Connection, hand_over: _HandOver) -> None:
    """Say MAIL. Raises _StaleConnectionError when a kept connection is no longer there."""
    smtp = connection.smtp
    if connection.needs_reset:
        try:
            await smtp.rset()
        except (aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPResponseException):
            raise _StaleConnectionError from None
        connection.needs_reset = False
    try:
        await smtp.mail(hand_over.sender, options=_options(smtp, hand_over), encoding=hand_over.encoding)
    except (aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPResponseException):
        if connection.fresh or smtp.is_connected:  # connected still: it was a no to this e-mail
            raise
        raise _StaleConnectionError from None


def _options(smtp: aiosmtplib.SMTP, hand_over: _HandOver) -> list[str]:
    options = []
    if smtp.supports_extension("size"):  # lets the server refuse before it is sent megabytes
        options.append(f"SIZE={len(hand_over.text)}")
    if hand_over.utf8:
        if not smtp.supports_extension("smtputf8"):
            raise aiosmtplib.SMTPNotSupported("SMTPUTF8")
        options += ["SMTPUTF8", "BODY=8BITMIME"]  # its headers hold the address as UTF-8
    return options


def _needs_smtputf8(addresses: Addresses) -> bool:
    boxes: list[Mailbox | None] = [addresses.sender, addresses.recipient, addresses.reply_to]
    return any(box.needs_smtputf8 for box in boxes if box)
