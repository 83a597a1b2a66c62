"""Connections to one SMTP server, kept open between e-mails: connecting costs more than sending."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from worker.channels.smtp_connect import Connector
from worker.channels.smtp_session import Session

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Connection:
    """One open connection."""

    session: Session
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
        connector: Connector,
        *,
        per_connection: int = 500,
        idle: float = 20,
        max_age: float = 300,
    ) -> None:
        self._connector = connector
        self._per_connection, self._max_age = per_connection, max_age
        self._usual_idle = self._idle_seconds = idle
        self._idle: deque[Connection] = deque()  # the longest unused first
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False
        self._opening: set[asyncio.Future[None]] = set()
        self._lent = 0
        #: The loop's time at which one was last taken or given back.
        self.used = -float("inf")

    async def take(self, *, fresh: bool = False) -> Connection:
        """Have a connection to lend, a new one if `fresh`. Raises ConnectFailed."""
        if fresh:  # asked for when a kept one was found closed: the others will be, too
            self._close_idle()
        connection = await self._kept() or await self._opened()
        connection.sent += 1
        self._lent += 1
        self.used = asyncio.get_running_loop().time()
        return connection

    async def use(self, connection: Connection, job: Callable[[Connection], Awaitable[T]]) -> T:
        """Do `job` on what was taken. It is closed when the job raises, cancellation included."""
        try:
            result = await job(connection)
        except BaseException:
            connection.session.drop()
            raise
        else:
            self._give_back(connection)
            return result
        finally:
            self._lent -= 1
            self.used = asyncio.get_running_loop().time()

    async def has_open(self) -> bool:
        """Whether a connection is open. What becomes of those that are being opened is waited for."""
        while not (there := self._lent > 0 or any(kept.session.is_connected for kept in self._idle)):
            if not self._opening:
                break
            await asyncio.wait(self._opening, return_when=asyncio.FIRST_COMPLETED)
        return there

    def keep(self, idle: float | None = None) -> None:
        """Close what has not been used for `idle` seconds from now on; None: as at first."""
        self._idle_seconds = self._usual_idle if idle is None else idle
        if self._sweep is not None:
            self._sweep.cancel()
        self._swept()

    async def close(self) -> None:
        """Take leave of the server on every unused connection, and close it; one in use follows after."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        unused, self._idle = self._idle, deque()
        await asyncio.gather(*(connection.session.take_leave() for connection in unused))

    async def _kept(self) -> Connection | None:
        self._close_unused()
        while self._idle:
            connection = self._idle.pop()
            if connection.sent < self._per_connection:
                return connection
            # Politely, and only now: a server that counts connections has one fewer before we open another.
            await connection.session.take_leave()
        return None

    def _give_back(self, connection: Connection) -> None:
        connection.used = asyncio.get_running_loop().time()
        if self._closed:
            connection.session.close()
            return
        self._idle.append(connection)
        self._sweep_later()

    def _sweep_later(self) -> None:
        if self._sweep is None and self._idle:
            loop = asyncio.get_running_loop()
            self._sweep = loop.call_at(self._idle[0].used + self._idle_seconds, self._swept)

    def _swept(self) -> None:
        self._sweep = None
        self._close_unused()
        self._sweep_later()

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().session.close()

    def _close_unused(self) -> None:
        now = asyncio.get_running_loop().time()
        kept: deque[Connection] = deque()
        for connection in self._idle:
            young = now - connection.opened < self._max_age and now - connection.used < self._idle_seconds
            if young and connection.session.is_connected:
                kept.append(connection)
            else:
                connection.session.close()
        self._idle = kept

    async def _opened(self) -> Connection:
        done = asyncio.get_running_loop().create_future()
        self._opening.add(done)
        try:
            session = await self._connector.connect()
        finally:
            self._opening.discard(done)
            done.set_result(None)
        now = asyncio.get_running_loop().time()
        return Connection(session, opened=now, used=now)
