"""The sandbox's SMTP server: takes every e-mail, except where the recipient misbehaves on purpose.

Speaks SIZE, 8BITMIME, SMTPUTF8 and AUTH (any credentials do, none are needed); no STARTTLS, as it
listens on loopback only.
"""

import asyncio
import logging
import re

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from messages.delivery import Channel
from worker.sandbox.behaviours import Act, behaviour_of
from worker.sandbox.inbox import message_id_of
from worker.sandbox.mail_view import printable
from worker.sandbox.sandbox import Sandbox

MAX_BYTES = 25_000_000  #: where EMAIL_MAX_BYTES is not more
_DOTS = 1_000_000  #: doubled ones come on top of that, and do not count
MAX_LINE = 998  #: octets without the line end (RFC 5321, 4.5.3.1.6)
_PLAIN_ADDRESS = re.compile(r"<([\w.+=-]+@[\w.-]+)>(?= |$)")
_END = b"\r\n.\r\n"

# aiosmtpd writes every command, and with it every address, to its log.
logging.getLogger("mail.log").setLevel(logging.ERROR)


class _Hooks:
    """What aiosmtpd asks while the envelope is written."""

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's name)
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        behaviour = behaviour_of(Channel.EMAIL, address)
        if behaviour and behaviour.act is Act.REFUSE:
            return f"{behaviour.code} No such mailbox here"
        if behaviour and behaviour.act is Act.ALWAYS_LATER:
            return f"{behaviour.code} Not now, try again later"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"


class SandboxSmtp(SMTP):
    """One SMTP connection."""

    line_length_limit = 65_536  #: what the stream buffers; `MAX_LINE` is checked when all is read

    def __init__(self, sandbox: Sandbox, loop: asyncio.AbstractEventLoop, max_bytes: int = MAX_BYTES) -> None:
        super().__init__(
            _Hooks(),
            hostname="sandbox.test",
            ident="Roundsman sandbox",
            data_size_limit=max_bytes,
            enable_SMTPUTF8=True,
            auth_require_tls=False,
            authenticator=lambda *_: AuthResult(success=True),
            loop=loop,
        )
        self._sandbox, self._max_bytes = sandbox, max_bytes

    async def smtp_DATA(self, arg: str | None) -> None:  # noqa: N802 (aiosmtpd's name)
        """Read the e-mail and answer for it.

        In place of aiosmtpd's, which reads line by line: five times the work for a large e-mail.
        """
        if await self.check_helo_needed() or await self.check_auth_needed("DATA"):
            return
        envelope = self.envelope
        if envelope is None or not envelope.rcpt_tos or arg:
            await self.push("501 5.5.4 Syntax: DATA" if arg else "503 5.5.1 Error: need RCPT command")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        content = await self._read_content()
        self.envelope = Envelope()
        if content is None:
            await self.push(f"552 5.3.4 Too large: {self._max_bytes} bytes is the limit")
        elif _longest_line(content) > MAX_LINE:
            await self.push(f"500 5.5.2 Line too long: {MAX_LINE} bytes is the limit")
        else:
            await self._take(envelope, content)

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        """Split `<address> options`; plain ones without the full parser, which is half of all the work."""
        match = _PLAIN_ADDRESS.match(arg)
        return (match[1], arg[match.end() :].lstrip()) if match else super()._getaddr(arg)

    async def _read_content(self) -> bytes | None:
        """The e-mail without its end mark and dot-stuffing; None when it is too large."""
        chunks: list[bytes] = []
        size, tail = 0, b"\r\n"
        while tail != _END:
            chunk = await self._read_chunk()
            size += len(chunk)
            if size <= self._max_bytes + _DOTS:
                chunks.append(chunk)
            else:
                chunks.clear()
            tail = (tail + chunk[-len(_END) :])[-len(_END) :]
        if size > self._max_bytes + _DOTS:
            return None
        content = b"".join(chunks)[:-3].replace(b"\r\n.", b"\r\n").removeprefix(b".")
        return content if len(content) <= self._max_bytes else None

    async def _read_chunk(self) -> bytes:
        try:
            return bytes(await self._reader.readuntil(b".\r\n"))
        except asyncio.LimitOverrunError as error:
            return bytes(await self._reader.read(error.consumed))

    async def _take(self, envelope: Envelope, content: bytes) -> None:
        recipients = tuple(printable(recipient) for recipient in envelope.rcpt_tos)
        behaviours = {b.act: b for r in recipients if (b := behaviour_of(Channel.EMAIL, r))}
        later = behaviours.get(Act.LATER)
        if later and self._sandbox.tries.is_refused((message_id_of(content) or content, recipients)):
            await self.push(f"{later.code} Not now, try again later")
            return
        email = self._sandbox.inbox.add_email(
            mail_from=printable(envelope.mail_from or ""), recipients=recipients, raw=content
        )
        if Act.DROP in behaviours:
            self._writer.transport.abort()
            return
        if Act.SLOW in behaviours:
            await self._sandbox.dawdle()
        await self.push(f"250 2.0.0 OK: kept as {email.id}")


def _longest_line(content: bytes) -> int:
    return max(map(len, content.split(b"\r\n"))) if len(content) > MAX_LINE else 0
