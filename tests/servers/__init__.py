"""Real servers for tests, on 127.0.0.1 and a free port, that also misbehave when asked to."""

import asyncio
import time
from collections.abc import Callable

from messages.clock import system_clock


async def eventually(condition: Callable[[], bool], deadline: float = 5) -> None:
    """Return as soon as `condition` holds; fail when it does not within `deadline` seconds."""
    async with asyncio.timeout(deadline):
        while not condition():  # noqa: ASYNC110 - a condition of any kind sets no event
            await asyncio.sleep(0.005)


def wait_until(condition: Callable[[], object], deadline: float = 10) -> None:
    """The same for tests that are not async."""
    end = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < end, f"did not happen within {deadline} s"
        time.sleep(0.01)


class FreePermit:
    """Leave to hand over, for a minute; nobody else claims anything. Counts what was begun."""

    def __init__(self, begin_by: int | None = None, *, held: bool = True, bulk: bool = False) -> None:
        self.begin_by = system_clock() + 60_000 if begin_by is None else begin_by
        self.held, self.bulk, self.begun = held, bulk, 0

    async def begin(self) -> bool:
        self.begun += 1
        return self.held
