"""Group commit: what arrives while a commit is under way shares the next one.

One alone waits for nothing; a crowd pays for one commit together, and gathers for some milliseconds first
where that pays.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from messages.errors import Overloaded, StoreUnavailable

In = TypeVar("In")
Out = TypeVar("Out")

log = logging.getLogger(__name__)

#: The most that share one commit, and the most that wait for their turn, by weight.
MAX_GROUP = 200
MAX_WAITING = 5000

#: Seconds after which what waits for its turn is refused, and is not stored later either.
PATIENCE = 5

#: Seconds after which nobody waits for the store any longer. It gives up by itself before that.
MAX_SECONDS = 15

#: Between two looks for those, in seconds. A time-out for each would cost as much as its part of a commit.
LOOK = 0.5


@dataclass(slots=True)
class _Waiting(Generic[In, Out]):
    entry: In
    output: asyncio.Future[Out]
    weight: int
    since: float  #: the loop's time


class Group(Generic[In, Out]):
    """Gathers calls of `commit`, a blocking function from many inputs to as many outputs.

    `gather`: seconds between two commits while several share each; one that comes alone never waits so.
    """

    def __init__(self, commit: Callable[[Sequence[In]], Sequence[Out]], *, gather: float = 0) -> None:
        self._commit, self._gather = commit, gather
        self._waiting: list[_Waiting[In, Out]] = []
        self._weight = 0  #: of those that wait
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._task: asyncio.Task[None] | None = None
        self._look: asyncio.TimerHandle | None = None

    async def submit(self, entry: In, weight: int = 1) -> Out:
        """The output for `entry`, once it is committed. Raises Overloaded when too many wait.

        `weight`: as how many it counts. However heavy, it is committed as one.
        """
        if self._weight + weight > MAX_WAITING:
            raise Overloaded("too many wait to be stored")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Out] = loop.create_future()
        self._waiting.append(_Waiting(entry, future, weight, loop.time()))
        self._weight += weight
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return await future

    async def close(self) -> None:
        """Finish what waits."""
        if self._task is not None:
            await self._task
        self._thread.shutdown()

    async def _run(self) -> None:
        try:
            while self._waiting:
                group = self._next_group()
                if fresh := _without_stale(group):
                    await self._commit_group(fresh)
                if self._gather and len(group) > 1 and len(self._waiting) < len(group) / 2:
                    await asyncio.sleep(self._gather)
        finally:  # whatever ended it, the next one that comes starts it again
            self._task = None

    def _next_group(self) -> list[_Waiting[In, Out]]:
        """Those that came first: as many as may share a commit, at least one."""
        count = weight = 0
        for one in self._waiting:
            if count and weight + one.weight > MAX_GROUP:
                break
            count, weight = count + 1, weight + one.weight
        group, self._waiting = self._waiting[:count], self._waiting[count:]
        self._weight -= weight
        return group

    async def _commit_group(self, group: Sequence[_Waiting[In, Out]]) -> None:
        self._watch(group)
        try:
            outputs = await asyncio.get_running_loop().run_in_executor(
                self._thread, self._commit, [one.entry for one in group]
            )
            pairs = list(zip(group, outputs, strict=True))
        except Exception as error:  # noqa: BLE001 - it is handed to those who wait
            if len(group) > 1 and not isinstance(error, StoreUnavailable):
                log.warning(
                    "A group of %d failed (%s); committing one by one.", len(group), type(error).__name__
                )
                for single in group:  # so that one that cannot be stored spoils no other
                    if fresh := _without_stale([single]):
                        await self._commit_group(fresh)
                return
            _settle(group, error)
        else:
            for one, output in pairs:
                if not one.output.done():  # whoever waited for it went away
                    one.output.set_result(output)
        finally:
            if self._look is not None:
                self._look.cancel()

    def _watch(self, group: Sequence[_Waiting[In, Out]]) -> None:
        """As long as a commit takes: nobody waits for ever, be it for this one or for the next."""
        loop = asyncio.get_running_loop()
        old = [one for one in (*group, *self._waiting) if loop.time() - one.since > MAX_SECONDS]
        _settle(old, StoreUnavailable(f"the store did not answer within {MAX_SECONDS} s"))
        self._look = loop.call_later(LOOK, self._watch, group)


def _without_stale(group: Sequence[_Waiting[In, Out]]) -> list[_Waiting[In, Out]]:
    """Refuse those that waited too long: stored now, it would be after whoever sent it went away."""
    now = asyncio.get_running_loop().time()
    stale = [one for one in group if now - one.since > PATIENCE]
    _settle(stale, StoreUnavailable(f"the store was busy or away for {PATIENCE} s"))
    return [one for one in group if not one.output.done()]


def _settle(group: Sequence[_Waiting[In, Out]], error: Exception) -> None:
    for one in group:
        if not one.output.done():
            one.output.set_exception(error)
