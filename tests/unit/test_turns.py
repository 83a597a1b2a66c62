"""So many at a time, also when that number changes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from messages.clock import system_clock
from tests.servers import FreePermit
from worker.channels.turns import NotBegun, Turns


class Crowd:
    """Takes turns, and counts how many have one."""

    def __init__(self, size: int) -> None:
        self.turns = Turns(size, system_clock)
        self.inside = 0
        self._leave: list[asyncio.Event] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def come(self, count: int) -> None:
        for _ in range(count):
            self._leave.append(asyncio.Event())
            self._tasks.append(asyncio.create_task(self._stay(self._leave[-1])))
        await self.settled()

    async def go(self, count: int = 1) -> None:
        for _ in range(count):
            self._leave.pop(0).set()
        await self.settled()

    async def settled(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def _stay(self, leave: asyncio.Event) -> None:
        async with self.turns.room(FreePermit()):
            self.inside += 1
            await leave.wait()
            self.inside -= 1


def run(size: int, scenario: Callable[[Crowd], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        crowd = Crowd(size)
        result = await scenario(crowd)
        while crowd._leave:
            await crowd.go()
        return result

    return asyncio.run(main())


def test_one_fewer_takes_effect_when_the_next_is_done_and_throws_nobody_out():
    async def scenario(crowd: Crowd) -> list[int]:
        await crowd.come(4)
        crowd.turns.shrink()
        counts = [crowd.inside]
        for _ in range(2):
            await crowd.go()
            counts.append(crowd.inside)
        return counts

    assert run(3, scenario) == [3, 2, 2]


def test_one_more_lets_the_next_in_at_once():
    async def scenario(crowd: Crowd) -> list[tuple[int, bool]]:
        seen = []
        await crowd.come(3)
        seen.append((crowd.inside, crowd.turns.awaited))
        crowd.turns.grow()
        await crowd.settled()
        seen.append((crowd.inside, crowd.turns.awaited))
        return seen

    assert run(2, scenario) == [(2, True), (3, False)]


def test_one_more_makes_up_for_one_fewer_that_has_not_taken_effect():
    async def scenario(crowd: Crowd) -> int:
        await crowd.come(3)
        crowd.turns.shrink()
        crowd.turns.grow()
        await crowd.go()
        return crowd.inside

    assert run(2, scenario) == 2


def test_whoever_comes_too_late_is_not_let_in_even_where_there_is_room():
    async def scenario(crowd: Crowd) -> None:
        with pytest.raises(NotBegun):
            async with crowd.turns.room(FreePermit(system_clock() - 1)):
                pass

    run(1, scenario)
