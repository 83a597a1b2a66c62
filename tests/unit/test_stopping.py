"""What is under way when a worker is told to stop: what ends when."""

import asyncio
from dataclasses import dataclass

import pytest

from tasks.stopping import Stopped, Stopping


@dataclass(eq=False)
class HandOver:
    begun: bool


async def waits_for_ever(stopping: Stopping, hand_over: HandOver) -> None:
    async with stopping.watch(hand_over):
        await asyncio.Event().wait()


def seconds_until_cut(*, patience: float, begun: bool, at_once: bool = False, before: bool = False) -> float:
    async def scenario() -> float:
        stopping = Stopping(patience)
        if before:
            stopping.begin()
        under_way = asyncio.create_task(waits_for_ever(stopping, HandOver(begun)))
        await asyncio.sleep(0)
        began = asyncio.get_running_loop().time()
        stopping.begin()
        if at_once:
            stopping.begin(at_once=True)
        with pytest.raises(Stopped):
            await asyncio.wait_for(under_way, 5)
        return asyncio.get_running_loop().time() - began

    return asyncio.run(scenario())


def test_what_is_not_begun_is_cut_off_at_once():
    assert seconds_until_cut(patience=60, begun=False) < 1


def test_what_comes_when_it_is_to_stop_already_is_cut_off_too():
    assert seconds_until_cut(patience=60, begun=False, before=True) < 1


def test_what_is_on_the_wire_has_the_patience_and_no_more():
    assert 0.25 <= seconds_until_cut(patience=0.3, begun=True) < 2


def test_asked_twice_in_a_hurry_even_that_is_cut_off():
    assert seconds_until_cut(patience=60, begun=True, at_once=True) < 1


def test_what_ends_by_itself_is_left_alone_and_its_own_time_out_is_its_own():
    async def scenario() -> None:
        stopping = Stopping(60)
        async with stopping.watch(HandOver(True)):
            stopping.begin()
            await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            async with stopping.watch(HandOver(True)):
                raise TimeoutError
        assert stopping.is_on
        assert not stopping.is_over

    asyncio.run(scenario())
