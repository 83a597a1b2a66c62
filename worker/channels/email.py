"""E-mail by SMTP, one recipient a transaction."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from functools import lru_cache, partial

import aiosmtplib

from messages.clock import Clock, system_clock
from messages.errors import AttachmentError
from messages.outcomes import ActionBy, Failed, FailureKind, Outcome, Sent, not_fetched
from messages.outgoing import Attachment, OutgoingEmail, Permit
from worker.channels.mailbox import Mailbox, MailboxError, parse_mailbox
from worker.channels.mime import Addresses, File, build, message_id, reply_to_header
from worker.channels.smtp_admission import Admission, Pace
from worker.channels.smtp_connect import ConnectFailed, Connector, TlsPolicy, parse_url
from worker.channels.smtp_errors import classify
from worker.channels.smtp_pool import Connection, SmtpPool
from worker.channels.smtp_replies import Stage
from worker.channels.smtp_transaction import HandOver, StaleConnectionError, transact
from worker.channels.turns import NotBegun, Turns

#: Bytes of attachments from which a message is built in a thread: it would hold the event loop up.
_LARGE = 500_000

#: How many e-mails with attachments are built, with these in memory, before it is their turn.
BUILT_AHEAD = 4

_NO_REPLY_TO = "The Reply-To was left out, so answers go to the sender: {why}."
_NOT_IN_ASCII = "its address is not in ASCII, and the SMTP server cannot take that (no SMTPUTF8)"
_NO_ADDRESS = "it is not an e-mail address"

Fetch = Callable[[Sequence[Attachment]], Awaitable[list[File]]]


class EmailTooLarge(Exception):
    """An e-mail is larger than EMAIL_MAX_BYTES. The text is the sentence for people."""


class SmtpEmail:
    """The e-mail channel. Use it on one event loop; it connects at the first send.

    `url`: SMTP_URL. `default_sender`: an address, or `Name <address>`. `connections`: how many at most.
    `timeout`: seconds for connecting, and for handing over one e-mail, all of it, once it is its turn.
    `max_bytes`: of an e-mail as it is sent. `fetch`: gives the attachments, those given by URL having been
    fetched before (`AttachmentFetcher.fetch_all`). `tls`: SMTP_TLS; None: required, unless the
    server is on this machine. `tls_context`: instead of the system's certificate authorities. `pace`: with a
    server that allows fewer connections.
    """

    def __init__(
        self,
        url: str,
        *,
        default_sender: str,
        fetch: Fetch,
        connections: int = 4,
        timeout: float = 30,
        max_bytes: int = 25_000_000,
        tls: TlsPolicy | None = None,
        tls_context: ssl.SSLContext | None = None,
        clock: Clock = system_clock,
        pace: Pace | None = None,
    ) -> None:
        self._default_sender, self._fetch, self._timeout, self._clock = default_sender, fetch, timeout, clock
        self._max_bytes = max_bytes
        self._turns = Turns(connections, clock)
        self._built = Turns(connections + BUILT_AHEAD, clock)
        self._connector = Connector(parse_url(url), timeout=timeout, tls=tls, tls_context=tls_context)
        self._pool = SmtpPool(self._connector)
        self._admission = Admission(
            self._pool, self._turns, connections, patience=timeout, pace=pace or Pace()
        )

    async def send(self, email: OutgoingEmail, permit: Permit) -> Outcome:
        """Try once, under this permit."""
        asked = asyncio.get_running_loop().time()
        try:
            addresses = self._addresses(email)
            async with self._built.room(permit) if email.attachments else nullcontext():
                hand_over = await self._prepare(email, addresses)
                failed = await self._deliver(hand_over, permit, asked)
        except MailboxError as error:
            return Failed(FailureKind.PERMANENT, str(error), action_by=ActionBy.SENDER)
        except EmailTooLarge as error:
            return Failed(FailureKind.PERMANENT, str(error), action_by=ActionBy.CONTENT)
        except AttachmentError as error:
            return not_fetched(error)
        except NotBegun as late:
            return late.as_outcome()
        warning = _warning(email, addresses, hand_over)
        return failed or Sent(message_id(email.delivery_id, addresses.sender), warning=warning)

    async def close(self) -> None:
        """Close the connections; one that is in use is closed when it is given back."""
        await self._pool.close()

    def _addresses(self, email: OutgoingEmail) -> Addresses:
        sender = _parse_sender(
            email.sender or self._default_sender, "sender" if email.sender else "SENDER_EMAIL setting"
        )
        recipient = parse_mailbox(email.recipient, "recipient")
        reply_to = None
        with suppress(MailboxError):  # the recipient gets the e-mail all the same: see `_warning`
            reply_to = parse_mailbox(email.reply_to, "Reply-To") if email.reply_to else None
        return Addresses(sender, recipient, reply_to)

    async def _prepare(self, email: OutgoingEmail, addresses: Addresses) -> HandOver:
        files = await self._fetch(email.attachments) if email.attachments else []
        text = await self._build(email, files, addresses)
        if len(text) > self._max_bytes:
            raise EmailTooLarge(
                f"The e-mail has {len(text):,} bytes as sent; at most {self._max_bytes:,} are allowed "
                "(EMAIL_MAX_BYTES)"
            )
        return HandOver(
            addresses.sender.address,
            addresses.recipient.address,
            text,
            _needs_smtputf8(addresses),
            optional_header=_optional_header(addresses),
        )

    async def _build(self, email: OutgoingEmail, files: list[File], addresses: Addresses) -> bytes:
        now = datetime.fromtimestamp(self._clock() / 1000, UTC)
        if sum(len(file.content) for file in files) < _LARGE:
            return build(email, files, addresses=addresses, now=now)
        return await asyncio.to_thread(build, email, files, addresses=addresses, now=now)

    async def _deliver(self, hand_over: HandOver, permit: Permit, asked: float) -> Failed | None:
        fresh = False
        while True:
            try:
                job = partial(self._hand_over, hand_over=hand_over, permit=permit)
                return await self._admission.use(job, permit, asked=asked, fresh=fresh)
            except StaleConnectionError:
                fresh = True
            except ConnectFailed as failed:
                return classify(failed.__cause__ or failed, failed.stage)
            except (aiosmtplib.SMTPException, OSError, ValueError) as error:
                return classify(error, hand_over.stage)

    async def _hand_over(self, connection: Connection, hand_over: HandOver, permit: Permit) -> Failed | None:
        # Begun only with a connection in hand: until then nothing is written, and nothing is in doubt.
        if not await self._turns.begins(permit):
            return NotBegun().as_outcome()
        connection.session.allow(self._timeout)
        try:
            return await transact(connection, hand_over)
        except aiosmtplib.SMTPReadTimeoutError:
            if connection.session.pipelines and hand_over.stage is Stage.RECIPIENT:
                self._connector.pipelining = False  # it heard MAIL, and nothing behind it
            raise
        finally:
            connection.session.allowed()


#: Nearly all have the same.
_parse_sender = lru_cache(64)(parse_mailbox)


def _needs_smtputf8(addresses: Addresses) -> bool:
    boxes: list[Mailbox | None] = [addresses.sender, addresses.recipient, addresses.reply_to]
    return any(box.needs_smtputf8 for box in boxes if box)


def _optional_header(addresses: Addresses) -> bytes | None:
    """The Reply-To header, where no other address needs SMTPUTF8: the e-mail can go without it."""
    others = addresses.sender.needs_smtputf8 or addresses.recipient.needs_smtputf8
    if addresses.reply_to is None or not addresses.reply_to.needs_smtputf8 or others:
        return None
    return reply_to_header(addresses.reply_to)


def _warning(email: OutgoingEmail, addresses: Addresses, hand_over: HandOver) -> str | None:
    """A sentence where the Reply-To was left out."""
    if hand_over.left_out:
        return _NO_REPLY_TO.format(why=_NOT_IN_ASCII)
    return _NO_REPLY_TO.format(why=_NO_ADDRESS) if email.reply_to and addresses.reply_to is None else None
