"""Pacing: what a sender's rate lets through waits a moment for it here; the rest goes back to the store.

Nothing is begun meanwhile, and no turn of a channel is held, so that other senders are not held up.
"""

import asyncio
from typing import Protocol

from messages.outgoing import OutgoingEmail, OutgoingSms
from messages.pace import PATIENCE, SECOND, Answer, Demand

#: So long after it was let through a hand-over may begin, in seconds: by then it must have had its turn.
FRESH = 3


class Pace(Protocol):
    """Knows every sender's rate, and how much of it all workers together have used."""

    def demand(self, prepared: OutgoingSms | OutgoingEmail) -> Demand | None:
        """What its hand-over takes; None, at no cost, where there is no limit."""

    async def ask(self, demand: Demand, *, placed: bool, patience: int = PATIENCE) -> Answer:
        """See `messages.pace.ask`."""

    async def close(self) -> None:
        """Close all connections."""


class Passage:
    """One Delivery on its way through its sender's gate. `placed`: it waited in the store for its place."""

    def __init__(self, pace: Pace, demand: Demand, *, placed: bool, fresh: float = FRESH) -> None:
        self._pace, self._demand, self._placed, self._fresh = pace, demand, placed, fresh
        self._fresh_until = 0.0
        #: The gate is shut: its place comes after so many ms.
        self.come_again_in: int | None = None

    async def wait(self) -> bool:
        """Wait for the gate, if that takes a moment only. False: it has a place, later."""
        now = asyncio.get_running_loop().time
        end = now() + PATIENCE / SECOND
        while True:
            answer = await self._pace.ask(self._demand, placed=self._placed)
            if not answer.go and now() + answer.wait / SECOND > end:
                return self._shut(answer)
            await asyncio.sleep(answer.wait / SECOND)
            if answer.go:
                self._fresh_until = now() + self._fresh
                return True
            self._placed = True

    async def is_open(self) -> bool:
        """Whether it may begin now. If its turn came late, others may have gone meanwhile: it asks again."""
        if asyncio.get_running_loop().time() <= self._fresh_until:
            return True
        answer = await self._pace.ask(self._demand, placed=True, patience=0)
        if not answer.go:
            return self._shut(answer)
        await asyncio.sleep(answer.wait / SECOND)
        return True

    def _shut(self, answer: Answer) -> bool:
        self.come_again_in = -(-answer.wait // 1000)
        return False
