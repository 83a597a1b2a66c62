"""Connecting to an SMTP server: by which name, with which TLS, as whom."""

import asyncio
import re
import socket
import ssl
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote, urlsplit

import aiosmtplib

from worker.channels.giving_up import bound_sending
from worker.channels.smtp_errors import UnsuitableServerError
from worker.channels.smtp_replies import Stage, goes_on, is_temporary, is_yes
from worker.channels.smtp_session import Session

_PLAIN_PORT, _SUBMISSION_PORT, _TLS_PORT = 25, 587, 465
_COMPLETED, _LOGGED_IN, _LOGIN_GOES_ON = 250, 235, 334
_FULL_NAME = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")


_NO_STARTTLS = (
    "The SMTP server offers no STARTTLS, and nothing is sent in the clear: use smtps:// in SMTP_URL or a "
    "server with STARTTLS; SMTP_TLS=opportunistic sends without TLS"
)
_NO_TLS_FOR_LOGIN = (
    "The SMTP server offers no TLS, and the user and password in SMTP_URL are not sent in the clear: "
    "use smtps:// in SMTP_URL, or a server with STARTTLS"
)
_TLS_IS_OFF = (
    "SMTP_TLS=off, and the user and password in SMTP_URL are not sent in the clear: set SMTP_TLS=required, "
    "or use smtps:// in SMTP_URL"
)
_NO_LOGIN = (
    "The SMTP server offers no log-in (AUTH): take the user and password out of SMTP_URL, "
    "or name a port or server there that offers it"
)
_NO_MECHANISM = (
    "The SMTP server offers no way to log in that Roundsman knows (PLAIN, LOGIN, CRAM-MD5): "
    "name a server in SMTP_URL that offers one of them"
)


class TlsPolicy(StrEnum):
    """When TLS is used with an smtp:// server. The values are those of SMTP_TLS; smtps:// is always TLS."""

    REQUIRED = "required"  #: STARTTLS, or nothing is sent
    OPPORTUNISTIC = "opportunistic"  #: STARTTLS where the server offers it
    OFF = "off"  #: never STARTTLS


@dataclass(frozen=True, slots=True)
class Server:
    """Where the server is, and who we are to it. From SMTP_URL."""

    host: str
    port: int
    tls: bool  #: from the first byte on (smtps); otherwise by STARTTLS
    user: str | None
    password: str

    def __repr__(self) -> str:
        return f"Server({self.host}:{self.port})"  # never the password


def parse_url(url: str) -> Server:
    """Read `smtp://[user:password@]host[:port]` or `smtps://…`. User and password may be %-encoded."""
    parts = urlsplit(url)
    tls = parts.scheme == "smtps"
    usual = _TLS_PORT if tls else _SUBMISSION_PORT if parts.username else _PLAIN_PORT
    user = unquote(parts.username) if parts.username else None
    return Server(
        parts.hostname or "localhost", parts.port or usual, tls, user, unquote(parts.password or "")
    )


class ConnectFailed(Exception):
    """There is no connection; `__cause__` is why."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.stage = stage


class _Smtp(aiosmtplib.SMTP):
    """aiosmtplib compares all three digits of a reply; the first one decides (RFC 5321, 4.2)."""

    async def execute_command(self, *args: bytes, **options: Any) -> aiosmtplib.SMTPResponse:
        """Send a command; the answer has the code that aiosmtplib expects of a yes."""
        reply = await super().execute_command(*args, **options)
        if args[0] in (b"EHLO", b"HELO"):
            return aiosmtplib.SMTPResponse(_COMPLETED, reply.message) if is_yes(reply.code) else reply
        if is_yes(reply.code):
            return aiosmtplib.SMTPResponse(_LOGGED_IN, reply.message)
        return aiosmtplib.SMTPResponse(_LOGIN_GOES_ON, reply.message) if goes_on(reply.code) else reply


class Connector:
    """Connects to one server. `timeout`: seconds for all of it, and for each command afterwards.

    `tls`: None for REQUIRED, unless the server is on this machine.
    """

    def __init__(
        self,
        server: Server,
        *,
        timeout: float,
        tls: TlsPolicy | None = None,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        self._server, self._timeout, self._tls_context = server, timeout, tls_context
        self._tls = tls or (TlsPolicy.OPPORTUNISTIC if is_loopback(server.host) else TlsPolicy.REQUIRED)
        self._own_name: str | None = None
        #: Several commands at once, where the server offers it. Some say so, and hear the first only.
        self.pipelining = True

    async def connect(self) -> Session:
        """Connect, and log in. Raises ConnectFailed."""
        if self._own_name is None:
            self._own_name = await asyncio.to_thread(_own_name)
        smtp = _Smtp(
            hostname=self._server.host,
            port=self._server.port,
            use_tls=self._server.tls,
            start_tls=False,  # done below, step by step, so that each failure has its stage
            local_hostname=self._own_name,
            timeout=self._timeout,
            tls_context=self._tls_context,
        )
        steps = {
            Stage.CONNECT: self._open,
            Stage.HELLO: _say_hello,
            Stage.TLS: self._secure,
            Stage.LOGIN: self._log_in,
        }
        reached = Stage.CONNECT
        try:
            async with asyncio.timeout(self._timeout):
                for reached, step in steps.items():  # noqa: B007 - the stage of what is raised
                    await step(smtp)
                return Session(_transport_of(smtp), self._extensions(smtp))
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            smtp.close()
            raise ConnectFailed(reached) from error
        except BaseException:
            smtp.close()
            raise

    def _extensions(self, smtp: aiosmtplib.SMTP) -> frozenset[str]:
        return frozenset(smtp.esmtp_extensions) - (set() if self.pipelining else {"pipelining"})

    async def _open(self, smtp: aiosmtplib.SMTP) -> None:
        await smtp.connect()
        bound_sending(_transport_of(smtp).get_extra_info("socket"), self._timeout)

    async def _secure(self, smtp: aiosmtplib.SMTP) -> None:
        if self._server.tls:
            return
        has_login = self._server.user is not None
        if self._tls is TlsPolicy.OFF:
            if has_login:
                raise UnsuitableServerError(_TLS_IS_OFF)
            return
        if not smtp.supports_extension("starttls"):
            if has_login or self._tls is TlsPolicy.REQUIRED:
                raise UnsuitableServerError(_NO_TLS_FOR_LOGIN if has_login else _NO_STARTTLS)
            return
        await smtp.starttls()
        await _say_hello(smtp)

    async def _log_in(self, smtp: aiosmtplib.SMTP) -> None:
        if self._server.user is None:
            return
        if not smtp.supports_extension("auth"):
            raise UnsuitableServerError(_NO_LOGIN)
        if not smtp.supported_auth_methods:
            raise UnsuitableServerError(_NO_MECHANISM)
        await smtp.login(self._server.user, self._server.password)


async def _say_hello(smtp: aiosmtplib.SMTP) -> None:
    """Say EHLO; HELO to a server that does not know EHLO (RFC 5321, 3.2)."""
    try:
        await smtp.ehlo()
    except aiosmtplib.SMTPHeloError as refused:
        if is_temporary(refused.code) or not smtp.is_connected:
            raise
        try:
            await smtp.helo()
        except aiosmtplib.SMTPServerDisconnected:
            raise refused from None


def is_loopback(host: str) -> bool:
    """Whether it is this machine itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def _transport_of(smtp: aiosmtplib.SMTP) -> Any:
    """Its connection. Raises SMTPServerDisconnected: the server may have closed it in the meantime."""
    if smtp.transport is None or smtp.transport.get_extra_info("socket") is None:
        raise aiosmtplib.SMTPServerDisconnected("Connection lost")
    return smtp.transport


def _own_name() -> str:
    """Name this machine for EHLO: its full name, else, as RFC 5321 has it, an address literal."""
    name = socket.getfqdn()
    return name if _FULL_NAME.fullmatch(name) else "[127.0.0.1]"
