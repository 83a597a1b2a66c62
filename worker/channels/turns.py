"""Turns: so many hand-overs at a time, and none after the time by which it must have begun."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar

from messages.clock import Clock
from messages.outcomes import ActionBy, Failed, FailureKind
from messages.outgoing import Permit
from worker.channels.line import Line

#: By when the hand-over that is under way must be written, in ms since the epoch. A context variable,
#: because a library stands between the turn and the wire.
WRITE_BY: ContextVar[int] = ContextVar("WRITE_BY", default=2**63)


class NotBegun(Exception):
    """The turn did not come in time. Nothing was written to anybody."""

    def as_outcome(self) -> Failed:
        """To be tried again: it was surely not sent."""
        reason = "All connections were busy until it was too late to begin; nothing was sent."
        return Failed(FailureKind.RETRYABLE, reason, code="not begun", action_by=ActionBy.NOBODY)


class Turns:
    """At most `size` at a time, in the order of a `Line`. Use it on one event loop."""

    def __init__(self, size: int, clock: Clock) -> None:
        self._line, self._clock = Line(size), clock
        self._waiting = self._withheld = 0

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for room."""
        return self._waiting > 0

    def shrink(self) -> None:
        """One fewer at a time, as soon as the next is done."""
        self._withheld += 1

    def grow(self) -> None:
        """One more at a time."""
        self.leave()

    @asynccontextmanager
    async def turn(self, permit: Permit) -> AsyncIterator[None]:
        """Wait for a turn, then begin. Raises NotBegun.

        Store and clock are asked when the turn has come, the clock last: a process that was stopped
        meanwhile wakes up with its turn in hand, and with a claim that has passed to another worker.
        """
        async with self.room(permit):
            if not await self.begins(permit):
                raise NotBegun
            token = WRITE_BY.set(permit.begin_by)
            try:
                yield
            finally:
                WRITE_BY.reset(token)

    async def begins(self, permit: Permit) -> bool:
        """Begin, if it still may."""
        return await permit.begin() and self._clock() < permit.begin_by

    def room(self, permit: Permit) -> "_Room":
        """A context manager: wait for room only, and begin nothing. Raises NotBegun."""
        return _Room(self, permit)

    async def enter(self, permit: Permit) -> None:
        """Wait for room until it is too late to begin. Raises NotBegun."""
        left = (permit.begin_by - self._clock()) / 1000
        if left <= 0:
            raise NotBegun
        self._waiting += 1
        try:
            if not await self._line.enter(bulk=permit.bulk, within=left):
                raise NotBegun
        finally:
            self._waiting -= 1

    def leave(self) -> None:
        """Make room for the next, unless there is to be less of it."""
        if self._withheld:
            self._withheld -= 1
        else:
            self._line.leave()


class _Room:
    """One place of `turns`, for a block. No generator: each e-mail and SMS goes through here."""

    __slots__ = ("_permit", "_turns")

    def __init__(self, turns: Turns, permit: Permit) -> None:
        self._turns, self._permit = turns, permit

    async def __aenter__(self) -> None:
        await self._turns.enter(self._permit)

    async def __aexit__(self, *_: object) -> None:
        self._turns.leave()
