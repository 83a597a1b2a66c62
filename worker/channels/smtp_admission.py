"""Admission: a turn and a connection for it, within what the server allows.

Servers bound how many connections they serve, and turn the others away. That says nothing of an e-mail,
of which nothing was written yet: it waits for a connection that is there.

turned away ──▶ others of ours are open          one turn fewer; back into the line
            ──▶ none is, and the server says     likewise, and no other try for a moment: another process
                that there are too many          has them all; given up after `patience`, the server is well
            ──▶ none is, but one just was        no other try for a moment: the server still counts that one
            ──▶ none is                          ConnectFailed: the server is in trouble
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from messages.outgoing import Permit
from worker.channels.allowance import Allowance
from worker.channels.smtp_connect import ConnectFailed
from worker.channels.smtp_errors import TurnedAway, turned_away
from worker.channels.smtp_pool import Connection, SmtpPool
from worker.channels.turns import Turns

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How we come to terms with a server that allows few connections. In seconds."""

    pause: float = 2  #: after one was turned away, until one more is tried
    moment: float = 0.5  #: between two tries while none of ours is open
    just_now: float = 1  #: so long the server may still count one that was closed
    #: Unused for so long, one is closed while there are fewer than we would have: others may wait for it.
    short_idle: float = 1


class Admission:
    """Use it on one event loop. `connections`: at most, as the turns have it.

    `patience`: seconds that an e-mail waits while no connection can be had.
    """

    def __init__(
        self, pool: SmtpPool, turns: Turns, connections: int, *, patience: float, pace: Pace
    ) -> None:
        self._pool, self._turns, self._patience, self._pace = pool, turns, patience, pace
        self._allowance = Allowance(connections, pause=pace.pause)
        self._full: ConnectFailed | None = None  # none of ours is open, and none can be had just now
        self._again_at = 0.0

    async def use(
        self, job: Callable[[Connection], Awaitable[T]], permit: Permit, *, asked: float, fresh: bool = False
    ) -> T:
        """Do `job` on a connection when it is its turn, on a new one if `fresh`. Begins nothing by itself.

        `asked`: the loop's time from which on it waits. Raises NotBegun, ConnectFailed, and what the job
        raises.
        """
        while True:
            async with self._turns.room(permit):
                if connection := await self._try(asked, fresh=fresh):
                    result = await self._pool.use(connection, job)
                    self._grow()
                    return result
            fresh = False

    async def _try(self, asked: float, *, fresh: bool) -> Connection | None:
        """Have a connection. None: turned away, and to wait for its turn again."""
        await self._let_a_moment_pass(asked)
        try:
            connection = await self._pool.take(fresh=fresh)
        except ConnectFailed as failed:
            await self._weigh(failed, asked)
            return None
        self._full = None
        return connection

    async def _let_a_moment_pass(self, asked: float) -> None:
        now = asyncio.get_running_loop().time()
        if self._full is None or now >= self._again_at:
            return
        if now - asked >= self._patience:
            raise ConnectFailed(self._full.stage) from self._full.__cause__
        await asyncio.sleep(self._again_at - now)

    async def _weigh(self, failed: ConnectFailed, asked: float) -> None:
        """Return if it is worth waiting; raises `failed` otherwise."""
        why = turned_away(failed.__cause__, failed.stage)
        if why is TurnedAway.NO:
            raise failed
        if await self._pool.has_open():
            self._shrink()
            return
        now = asyncio.get_running_loop().time()
        if why is TurnedAway.PERHAPS and now - self._pool.used >= self._pace.just_now:
            raise failed
        self._full, self._again_at = failed, now + self._pace.moment
        if why is TurnedAway.FULL:
            self._shrink()
            if now - asked >= self._patience:
                raise failed

    def _shrink(self) -> None:
        if self._allowance.shrink(asyncio.get_running_loop().time()):
            self._turns.shrink()
            self._pool.keep(self._pace.short_idle)
            log.info("The SMTP server turned a connection away: %s at a time now.", self._allowance.size)

    def _grow(self) -> None:
        if self._turns.awaited and self._allowance.grow(asyncio.get_running_loop().time()):
            self._turns.grow()
            if not self._allowance.is_short:
                self._pool.keep()
