"""Stopping: what becomes of what a worker holds when it is told to stop.

What is claimed, or found, and not begun is queued again at once, for another worker. What is on the wire is
finished, if that takes no longer than the patience; else it is in doubt.
"""

import asyncio
import time
from typing import Protocol, cast


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
        self._under_way: set[_Watch] = set()  # touched on the loop only

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

    def watch(self, hand_over: HandOver) -> "_Watch":
        """A context manager: its block is cut off in time once the worker is to stop. Raises Stopped."""
        return _Watch(self, hand_over)

    def enter(self, watch: "_Watch") -> None:
        """It has begun. On the loop."""
        self._loop = asyncio.get_running_loop()
        self._under_way.add(watch)
        if self._end is not None:
            watch.cut_by(self._end)

    def leave(self, watch: "_Watch") -> None:
        """It is over. On the loop."""
        self._under_way.discard(watch)

    def _cut_all(self) -> None:
        for watch in self._under_way:
            if self._end is not None:
                watch.cut_by(self._end)


class _Watch:
    """A block of a task. Not `asyncio.timeout`: each e-mail would pay for it, and a worker stops once."""

    __slots__ = ("_cut", "_hand_over", "_stopping", "_task", "_timer")

    def __init__(self, stopping: Stopping, hand_over: HandOver) -> None:
        self._stopping, self._hand_over = stopping, hand_over
        self._timer: asyncio.TimerHandle | None = None
        self._cut = False

    async def __aenter__(self) -> None:
        self._task = cast("asyncio.Task[object]", asyncio.current_task())
        self._stopping.enter(self)

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._stopping.leave(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._cut and self._task.uncancel() == 0 and kind is asyncio.CancelledError:
            raise Stopped from None

    def cut_by(self, end: float) -> None:
        """Cut it off then, by time.monotonic(); at once if nothing was written."""
        if self._cut:
            return
        if self._timer is not None:
            self._timer.cancel()
        rest = max(0, end - time.monotonic()) if self._hand_over.begun else 0
        self._timer = asyncio.get_running_loop().call_later(rest, self._cut_off, end)

    def _cut_off(self, end: float) -> None:
        if self._hand_over.begun and time.monotonic() < end:  # it has begun just now
            self.cut_by(end)
            return
        self._cut = True
        self._task.cancel()
