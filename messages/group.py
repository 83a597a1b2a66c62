"""Group commit: what arrives while a commit is under way shares the next one.

One alone waits for nothing; a crowd pays for one commit together, and gathers for some milliseconds first
where that pays.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from messages.errors import StoreUnavailable

In = TypeVar("In")
Out = TypeVar("Out")

log = logging.getLogger(__name__)

#: The most that share one commit, and the most that wait for their turn.
MAX_GROUP = 200
MAX_WAITING = 5000

#: Seconds after which nobody waits for the store any longer. It may still commit.
MAX_SECONDS = 10


class Group(Generic[In, Out]):
    """Gathers calls of `commit`, a blocking function from many inputs to as many outputs.

    `gather`: seconds between two commits while several share each; one that comes alone never waits so.
    """

    def __init__(self, commit: Callable[[Sequence[In]], Sequence[Out]], *, gather: float = 0) -> None:
        self._commit, self._gather = commit, gather
        self._waiting: list[tuple[In, asyncio.Future[Out]]] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._task: asyncio.Task[None] | None = None

    async def submit(self, entry: In) -> Out:
        """The output for `entry`, once it is committed. Raises StoreUnavailable when too many wait."""
        if len(self._waiting) >= MAX_WAITING:
            raise StoreUnavailable("too many wait to be stored")
        future: asyncio.Future[Out] = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, future))
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        try:
            async with asyncio.timeout(MAX_SECONDS):
                return await future
        except TimeoutError:
            raise StoreUnavailable(f"the store did not answer within {MAX_SECONDS} s") from None

    async def close(self) -> None:
        """Finish what waits."""
        if self._task is not None:
            await self._task
        self._thread.shutdown()

    async def _run(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[:MAX_GROUP], self._waiting[MAX_GROUP:]
            await self._commit_group(group)
            if self._gather and len(group) > 1:
                await asyncio.sleep(self._gather)
        self._task = None

    async def _commit_group(self, group: Sequence[tuple[In, asyncio.Future[Out]]]) -> None:
        loop = asyncio.get_running_loop()
        try:
            outputs = await loop.run_in_executor(self._thread, self._commit, [entry for entry, _ in group])
        except Exception as error:  # noqa: BLE001 - it is handed to those who wait
            if len(group) > 1 and not isinstance(error, StoreUnavailable):
                log.warning(
                    "A group of %d failed (%s); committing one by one.", len(group), type(error).__name__
                )
                for single in group:  # so that one that cannot be stored spoils no other
                    await self._commit_group([single])
                return
            _settle(group, error)
        else:
            for (_, future), output in zip(group, outputs, strict=True):
                if not future.done():  # whoever waited for it went away
                    future.set_result(output)


def _settle(group: Sequence[tuple[In, asyncio.Future[Out]]], error: Exception) -> None:
    for _, future in group:
        if not future.done():
            future.set_exception(error)
