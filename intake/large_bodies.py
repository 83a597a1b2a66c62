"""How many large bodies are in memory at once, and whose.

The limit per client is below the limit of the process, so other clients always find room. While a body waits,
a stalled body is ended in its favour: a few stalled connections would otherwise hold up everybody.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field

#: While others wait, so many bytes have to arrive within so many seconds.
PROGRESS_BYTES = 65_536
PROGRESS_SECONDS = 2.0

#: How often that is looked at, in seconds.
_LOOK_SECONDS = 0.25


@dataclass(eq=False, slots=True)
class LargeBody:
    """One body's place among them, from `take` to `end`. Made for each request, used by few."""

    _bodies: "LargeBodies"
    _client: str
    limit: asyncio.Timeout | None = None  #: ends reading it
    is_too_slow: bool = False  #: it had to give way
    _is_taken: bool = False
    _is_arriving: bool = False
    _counted: int = 0  #: bytes when it last made progress
    _progress_at: float = 0.0  #: by the loop's clock

    async def take(self, received: int, limit: asyncio.Timeout) -> None:
        """Wait for a place. `limit` ends reading it should it have to give way."""
        await self._bodies.admit(self, self._client)
        self._is_taken = self._is_arriving = True
        self.limit, self._counted = limit, received
        self._progress_at = asyncio.get_running_loop().time()

    def arrived(self, received: int) -> None:
        """So many of its bytes are here."""
        if received - self._counted >= PROGRESS_BYTES:
            self._counted, self._progress_at = received, asyncio.get_running_loop().time()

    def is_whole(self) -> None:
        """It is here: from now on it is we who take the time."""
        self._is_arriving = False

    def end(self) -> None:
        """Give its place to another, if it had one."""
        if self._is_taken:
            self._is_taken = self._is_arriving = False
            self._bodies.release(self)

    def stalled_since(self, now: float) -> float | None:
        """When it last made progress, if that is too long ago; None if not."""
        stalls = self._is_arriving and not self.is_too_slow and now - self._progress_at > PROGRESS_SECONDS
        return self._progress_at if stalls else None

    def give_way(self) -> None:
        """End reading it."""
        self.is_too_slow = True
        if self.limit is not None:
            self.limit.reschedule(asyncio.get_running_loop().time())


@dataclass(eq=False, slots=True)
class _Waiting:
    body: LargeBody
    client: str
    admitted: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class LargeBodies:
    """The large bodies of one process, and of one client."""

    def __init__(self, at_once: int, per_client: int) -> None:
        self._at_once, self._per_client = at_once, per_client
        self._taken: dict[LargeBody, str] = {}
        self._waiting: deque[_Waiting] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def body(self, client: str) -> LargeBody:
        """The place of a request's body, which it takes if it turns out to be large."""
        return LargeBody(self, client)

    async def admit(self, body: LargeBody, client: str) -> None:
        """Return when there is room. Bodies of the same client queue up behind it, those of others do not."""
        if self._has_room(client):
            self._taken[body] = client
            return
        waiting = _Waiting(body, client)
        self._waiting.append(waiting)
        self._look_later()
        try:
            await waiting.admitted
        except asyncio.CancelledError:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            else:
                self.release(body)
            raise

    def release(self, body: LargeBody) -> None:
        """There is room for another."""
        self._taken.pop(body, None)
        for waiting in tuple(self._waiting):
            if self._has_room(waiting.client):
                self._waiting.remove(waiting)
                self._taken[waiting.body] = waiting.client
                waiting.admitted.set_result(None)

    def _has_room(self, client: str) -> bool:
        return len(self._taken) < self._at_once and self._count(client) < self._per_client

    def _count(self, client: str) -> int:
        return sum(taken == client for taken in self._taken.values())

    def _look_later(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look)

    def _look(self) -> None:
        """Have one body that stalls give way for each that waits, where that makes room for it."""
        self._timer = None
        now = asyncio.get_running_loop().time()
        stalled = {body: since for body in self._taken if (since := body.stalled_since(now)) is not None}
        for waiting in self._waiting:
            at_share = self._count(waiting.client) >= self._per_client
            helping = [b for b in stalled if not at_share or self._taken[b] == waiting.client]
            if helping:
                longest = min(helping, key=stalled.__getitem__)
                del stalled[longest]
                longest.give_way()
        if self._waiting:
            self._look_later()
