"""Stopping: what becomes of what a worker holds when it is told to stop.

What is claimed and not begun is queued again at once, for another worker. What is on the wire is
finished, if that takes no longer than the patience; else it is in doubt.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol


class Stopped(Exception):
    """The hand-over was cut off, because the worker is to stop."""


class HandOver(Protocol):
    """What is asked of a hand-over when the worker is told to stop."""

    @property
    def begun(self) -> bool:
        """Whether anything may have been written to the provider."""


class Stopping:
    """Whether this worker is to stop, and by when. `patience`: seconds for what is on the wire."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._end: float | None = None  # by time.monotonic()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._under_way: set[tuple[asyncio.Timeout, HandOver]] = set()  # touched on the loop only

    @property
    def is_on(self) -> bool:
        """Whether nothing new is to be begun."""
        return self._end is not None

    @property
    def is_over(self) -> bool:
        """Whether nothing is waited for any longer."""
        return self._end is not None and time.monotonic() > self._end

    def begin(self, *, at_once: bool = False) -> None:
        """Stop; `at_once`: what is on the wire is not waited for. From any thread, or a signal handler."""
        if self.is_on and not at_once:
            return
        self._end = time.monotonic() + (0 if at_once else self._patience)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._cut_all)

    @asynccontextmanager
    async def watch(self, hand_over: HandOver) -> AsyncIterator[None]:
        """Cut the block off in time once the worker is to stop. Raises Stopped."""
        try:
            async with asyncio.timeout(None) as limit:
                self._loop = asyncio.get_running_loop()
                self._under_way.add((limit, hand_over))
                try:
                    self._cut(limit, hand_over)
                    yield
                finally:
                    self._under_way.discard((limit, hand_over))
        except TimeoutError:
            if limit.expired():
                raise Stopped from None
            raise

    def _cut_all(self) -> None:
        for limit, hand_over in self._under_way:
            self._cut(limit, hand_over)

    def _cut(self, limit: asyncio.Timeout, hand_over: HandOver) -> None:
        if self._end is None or limit.expired():
            return
        rest = max(0, self._end - time.monotonic()) if hand_over.begun else 0
        limit.reschedule(asyncio.get_running_loop().time() + rest)
