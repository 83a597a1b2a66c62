"""A real SMTP server (aiosmtpd) that misbehaves for some recipients, by the part before the @.

Like many a real one, it quotes what it refuses.
"""

import asyncio
import ssl
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

#: What RCPT is answered.
REFUSED_RECIPIENTS = {
    "refused": "550 5.1.1 <{address}> unknown",
    "busy": "451 4.3.2 come back later",
    "full": "552 5.2.2 mailbox full",
    "unavailable": "421 4.3.0 going down",
}
#: What the text is answered.
REFUSED_TEXTS = {
    "spam": "554 5.7.1 looks like spam: {subject}",
    "greylisted": "451 4.7.1 try again later",
}


@dataclass
class Mail:
    """An e-mail that the server took."""

    sender: str
    recipient: str
    data: bytes
    options: list[str] = field(default_factory=list)

    @property
    def message(self) -> EmailMessage:
        message = message_from_bytes(self.data, policy=policy.default)
        assert isinstance(message, EmailMessage)
        return message


class _Protocol(SMTP):
    def __init__(self, server: "SmtpServer", **options: Any) -> None:
        super().__init__(server, **options)
        self.counted = server
        self.turned_away = False

    def connection_made(self, transport: Any) -> None:
        if not getattr(self, "seen", False) and self.counted.open >= self.counted.limit:
            self.turned_away = True
            self.counted.turned_away += 1
            self.counted.transports.append(transport)
            transport.write(self.counted.full_reply)
            transport.close()
            return
        super().connection_made(transport)
        if self.session is not None and not getattr(self, "seen", False):
            self.seen = True
            self.counted.transports.append(transport)
            self.counted.total += 1
            self.counted.open += 1
            self.counted.peak = max(self.counted.peak, self.counted.open)

    def connection_lost(self, error: Exception | None) -> None:
        if self.turned_away:
            return
        if self.session is not None and self.session.authenticated:
            self.counted.logged_in -= 1
        super().connection_lost(error)
        self.counted.open -= 1


class SmtpServer:
    """`async with SmtpServer() as server:` then `server.url`, `server.mails`, `server.open`, `server.peak`.

    `tls`: from the first byte on; `starttls`: offered. `credentials`: (user, password) that log in. One more
    than `limit` connections, and it is greeted with `full_reply` and closed; `server.turned_away` counts
    those, and those that may not log in because `server.login_limit` have.
    Recipients `dropped@…` lose the connection after the text was taken, `hung@…` get no answer to it,
    `silent@…` get none to RCPT; see also the tables above.
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        starttls: ssl.SSLContext | None = None,
        credentials: tuple[str, str] | None = None,
        port: int = 0,
        limit: float = float("inf"),
        full_reply: bytes = b"421 4.7.0 mx.test Error: too many connections from 127.0.0.1\r\n",
        **options: Any,
    ) -> None:
        self.mails: list[Mail] = []
        self.transports: list[Any] = []
        self.open = self.peak = self.total = self.turned_away = 0
        self.limit, self.full_reply = limit, full_reply
        self.logged_in, self.login_limit = 0, float("inf")
        self.hangs = True
        self.farewells = 0  #: connections left with QUIT
        self.login_reply: str | None = None
        self._tls, self._credentials, self._port = tls, credentials, port
        self._options = {"enable_SMTPUTF8": True, "tls_context": starttls, "hostname": "mx.test", **options}
        if credentials:
            self._options |= {"authenticator": self._authenticate, "auth_require_tls": False}

    @property
    def url(self) -> str:
        scheme = "smtps" if self._tls else "smtp"
        login = "{}:{}@".format(*self._credentials) if self._credentials else ""
        return f"{scheme}://{login}localhost:{self.port}"

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Protocol(self, loop=loop, **self._options), "127.0.0.1", self._port, ssl=self._tls
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.drop_all()
        await asyncio.sleep(0)

    def drop_all(self) -> None:
        """Lose every connection at once, as a server that restarts does."""
        for transport in self.transports:
            transport.abort()
        self.transports.clear()

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, login: LoginPassword
    ) -> AuthResult:
        if self.login_reply:
            return AuthResult(success=False, handled=False, message=self.login_reply)
        if self.logged_in >= self.login_limit:
            self.turned_away += 1
            return AuthResult(success=False, handled=False, message="454 4.7.0 not now")
        given = (login.login.decode(), login.password.decode())
        success = given == self._credentials
        self.logged_in += success
        return AuthResult(success=success, handled=False)

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [*responses[:-1], "250-PIPELINING", responses[-1]]

    async def handle_QUIT(  # noqa: N802 - likewise
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        self.farewells += 1
        return "221 2.0.0 Bye"

    async def handle_RCPT(  # noqa: N802 - likewise
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        name = address.partition("@")[0]
        if name == "silent":
            await asyncio.Event().wait()
        if name in REFUSED_RECIPIENTS:
            return REFUSED_RECIPIENTS[name].format(address=address)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802 - likewise
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        [recipient] = envelope.rcpt_tos
        name = recipient.partition("@")[0]
        assert isinstance(envelope.original_content, bytes)
        mail = Mail(envelope.mail_from or "", recipient, envelope.original_content, envelope.mail_options)
        if name in REFUSED_TEXTS:
            return REFUSED_TEXTS[name].format(subject=mail.message["Subject"])
        self.mails.append(mail)
        if name == "hung" and self.hangs:
            await asyncio.Event().wait()
        if name == "dropped":
            assert server.transport is not None
            server.transport.abort()
        return "250 2.0.0 OK"
