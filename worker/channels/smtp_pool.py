"""Connections to one SMTP server, kept open between e-mails: connecting costs more than sending."""

import asyncio
import re
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import aiosmtplib

from worker.channels.smtp_errors import NoTlsError, Stage

_PLAIN_PORT, _SUBMISSION_PORT, _TLS_PORT = 25, 587, 465
_QUIT_SECONDS = 2.0
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


@dataclass(slots=True, eq=False)
class Connection:
    """One open connection."""

    smtp: aiosmtplib.SMTP
    opened: float  #: the loop's time
    used: float  #: likewise; when it was last given back
    sent: int = 0  #: transactions begun on it
    needs_reset: bool = False  #: the server may still be in the middle of the last one

    @property
    def fresh(self) -> bool:
        """Whether it was opened for this e-mail: what was kept may have been closed by the server since."""
        return self.sent <= 1


class SmtpPool:
    """Connections; one serves at most `per_connection` e-mails, for at most `max_age` seconds.

    One that has not been used for `idle` seconds is closed. How many there are at a time is for
    those who ask for them to bound. Use it on one event loop.
    """

    def __init__(
        self,
        server: Server,
        *,
        timeout: float,
        tls_context: ssl.SSLContext | None = None,
        per_connection: int = 100,
        idle: float = 20,
        max_age: float = 300,
    ) -> None:
        self._server, self._timeout, self._tls_context = server, timeout, tls_context
        self._per_connection, self._idle_seconds, self._max_age = per_connection, idle, max_age
        self._idle: deque[Connection] = deque()  # the longest unused first
        self._sweep: asyncio.TimerHandle | None = None
        self._own_name: str | None = None
        self._closed = False

    @asynccontextmanager
    async def connection(self, *, fresh: bool = False) -> AsyncIterator[Connection]:
        """Lend a connection, a new one if `fresh`. It is closed when the block raises, cancellation included.

        Raises ConnectFailed.
        """
        if fresh:  # asked for when a kept one was found closed: the others will be, too
            self._close_idle()
        connection = self._take() or await self._open()
        connection.sent += 1
        try:
            yield connection
        except BaseException:
            connection.smtp.close()
            raise
        self._give_back(connection)

    async def close(self) -> None:
        """Take leave of the server on every unused connection, and close it; one in use follows after."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        unused, self._idle = self._idle, deque()
        await asyncio.gather(*(_quit(connection.smtp) for connection in unused))

    def _take(self) -> Connection | None:
        self._close_unused()
        return self._idle.pop() if self._idle else None

    def _give_back(self, connection: Connection) -> None:
        connection.used = asyncio.get_running_loop().time()
        if self._closed or connection.sent >= self._per_connection:
            connection.smtp.close()
            return
        self._idle.append(connection)
        self._sweep_later()

    def _sweep_later(self) -> None:
        if self._sweep is None and self._idle:
            loop = asyncio.get_running_loop()
            self._sweep = loop.call_later(self._idle_seconds, self._swept)

    def _swept(self) -> None:
        self._sweep = None
        self._close_unused()
        self._sweep_later()

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().smtp.close()

    def _close_unused(self) -> None:
        now = asyncio.get_running_loop().time()
        kept: deque[Connection] = deque()
        for connection in self._idle:
            young = now - connection.opened < self._max_age and now - connection.used < self._idle_seconds
            if young and connection.smtp.is_connected:
                kept.append(connection)
            else:
                connection.smtp.close()
        self._idle = kept

    async def _open(self) -> Connection:
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
            await smtp.connect()
            await self._secure(smtp)
            if self._server.user is not None:
                stage = Stage.LOGIN
                await smtp.login(self._server.user, self._server.password)
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            smtp.close()
            raise ConnectFailed(stage) from error
        except BaseException:
            smtp.close()
            raise
        now = asyncio.get_running_loop().time()
        return Connection(smtp, opened=now, used=now)

    async def _secure(self, smtp: aiosmtplib.SMTP) -> None:
        await smtp.ehlo()
        if self._server.tls:
            return
        if smtp.supports_extension("starttls"):
            await smtp.starttls()
            await smtp.ehlo()
        elif self._server.user is not None:
            raise NoTlsError


async def _quit(smtp: aiosmtplib.SMTP) -> None:
    with suppress(aiosmtplib.SMTPException, OSError):
        await smtp.quit(timeout=_QUIT_SECONDS)
    smtp.close()


def _own_name() -> str:
    """Name this machine for EHLO: its full name, else, as RFC 5321 has it, an address literal."""
    name = socket.getfqdn()
    return name if _FULL_NAME.fullmatch(name) else "[127.0.0.1]"
