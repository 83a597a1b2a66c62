"""Connecting to an SMTP server: by which name, with which TLS, as whom."""

import asyncio
import re
import socket
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import aiosmtplib

from worker.channels.giving_up import bound_sending
from worker.channels.smtp_errors import NoTlsError, Stage
from worker.channels.smtp_session import Session

_PLAIN_PORT, _SUBMISSION_PORT, _TLS_PORT = 25, 587, 465
_FULL_NAME = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")


@dataclass(frozen=True, slots=True)
class Server:
    """Where the server is, and who we are to it. From SMTP_URL."""

    host: str
    port: int
    tls: bool  #: from the first byte on (smtps); otherwise by STARTTLS where it is offered
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


class Connector:
    """Connects to one server. `timeout`: seconds for all of it, and for each command afterwards."""

    def __init__(self, server: Server, *, timeout: float, tls_context: ssl.SSLContext | None = None) -> None:
        self._server, self._timeout, self._tls_context = server, timeout, tls_context
        self._own_name: str | None = None
        #: Several commands at once, where the server offers it. Some say so, and hear the first only.
        self.pipelining = True

    async def connect(self) -> Session:
        """Connect, and log in. Raises ConnectFailed."""
        if self._own_name is None:
            self._own_name = await asyncio.to_thread(_own_name)
        smtp = aiosmtplib.SMTP(
            hostname=self._server.host,
            port=self._server.port,
            use_tls=self._server.tls,
            start_tls=False,  # done below, step by step, so that each failure has its stage
            local_hostname=self._own_name,
            timeout=self._timeout,
            tls_context=self._tls_context,
        )
        stage = Stage.CONNECT
        try:
            async with asyncio.timeout(self._timeout):
                await smtp.connect()
                bound_sending(_transport_of(smtp).get_extra_info("socket"), self._timeout)
                await self._secure(smtp)
                if self._server.user is not None:
                    stage = Stage.LOGIN
                    await smtp.login(self._server.user, self._server.password)
                return Session(_transport_of(smtp), self._extensions(smtp))
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            smtp.close()
            raise ConnectFailed(stage) from error
        except BaseException:
            smtp.close()
            raise

    def _extensions(self, smtp: aiosmtplib.SMTP) -> frozenset[str]:
        return frozenset(smtp.esmtp_extensions) - (set() if self.pipelining else {"pipelining"})

    async def _secure(self, smtp: aiosmtplib.SMTP) -> None:
        await smtp.ehlo()
        if self._server.tls:
            return
        if smtp.supports_extension("starttls"):
            await smtp.starttls()
            await smtp.ehlo()
        elif self._server.user is not None:
            raise NoTlsError


def _transport_of(smtp: aiosmtplib.SMTP) -> Any:
    """Its connection. Raises SMTPServerDisconnected: the server may have closed it in the meantime."""
    if smtp.transport is None or smtp.transport.get_extra_info("socket") is None:
        raise aiosmtplib.SMTPServerDisconnected("Connection lost")
    return smtp.transport


def _own_name() -> str:
    """Name this machine for EHLO: its full name, else, as RFC 5321 has it, an address literal."""
    name = socket.getfqdn()
    return name if _FULL_NAME.fullmatch(name) else "[127.0.0.1]"
