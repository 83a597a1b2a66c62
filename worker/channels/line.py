"""A line of those who wait for room: what is alone goes before what came with many others."""

import asyncio
from collections import deque
from contextlib import suppress

#: While a bulk waits, so many that are alone go before one of it: it is slowed, and never stands still.
ALONE_BEFORE_BULK = 3


class Line:
    """A semaphore of this order. Use it on one event loop."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._alone: deque[asyncio.Future[bool]] = deque()
        self._bulk: deque[asyncio.Future[bool]] = deque()
        self._in_a_row = 0  #: that went before a bulk

    @property
    def is_full(self) -> bool:
        """Whether whoever comes now has to wait."""
        return self._room == 0

    async def enter(self, *, bulk: bool, within: float | None = None) -> bool:
        """Wait for room, and take it; False if there was none within so many seconds."""
        if not self.is_full:
            self._room -= 1
            return True
        line = self._bulk if bulk else self._alone
        loop = asyncio.get_running_loop()
        mine: asyncio.Future[bool] = loop.create_future()
        line.append(mine)
        too_late = None if within is None else loop.call_later(within, self._give_up, mine, line)
        try:
            return await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled() and mine.result():  # it had just been given room
                self.leave()
            with suppress(ValueError):
                line.remove(mine)
            raise
        finally:
            if too_late is not None:
                too_late.cancel()

    def leave(self) -> None:
        """Give room to the next."""
        while (after := self._next()) is not None:
            if not after.done():
                after.set_result(True)
                return
        self._room += 1

    def _next(self) -> asyncio.Future[bool] | None:
        if self._bulk and (not self._alone or self._in_a_row >= ALONE_BEFORE_BULK):
            self._in_a_row = 0
            return self._bulk.popleft()
        if not self._alone:
            return None
        self._in_a_row += bool(self._bulk)
        return self._alone.popleft()

    def _give_up(self, mine: asyncio.Future[bool], line: deque[asyncio.Future[bool]]) -> None:
        if not mine.done():
            line.remove(mine)
            mine.set_result(False)
