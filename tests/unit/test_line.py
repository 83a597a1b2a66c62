"""Who goes first where there is room for few."""

import asyncio

from worker.channels.line import ALONE_BEFORE_BULK, Line


def order(kinds: str) -> str:
    """In which order those who came (`a` alone, `b` of a bulk) are let in, one by one."""

    async def scenario() -> str:
        line, let_in = Line(0), []

        async def come(kind: str) -> None:
            await line.enter(bulk=kind == "b")
            let_in.append(kind)

        tasks = [asyncio.create_task(come(kind)) for kind in kinds]
        await asyncio.sleep(0)
        for _ in kinds:
            line.leave()
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        return "".join(let_in)

    return asyncio.run(scenario())


def test_what_is_alone_goes_before_a_bulk_that_came_earlier():
    assert order("bbbba") == "abbbb"


def test_a_bulk_is_slowed_and_never_stands_still():
    assert order("bb" + "a" * 9) == ("a" * ALONE_BEFORE_BULK + "b") * 2 + "aaa"


def test_room_that_came_with_a_cancellation_is_given_to_the_next():
    async def scenario() -> bool:
        line = Line(0)
        first, second = (asyncio.create_task(line.enter(bulk=False)) for _ in range(2))
        await asyncio.sleep(0)
        line.leave()
        first.cancel()
        await asyncio.wait_for(second, 5)
        return line.is_full

    assert asyncio.run(scenario())


def test_whoever_gave_up_holds_no_place_and_room_without_takers_is_kept():
    async def scenario() -> bool:
        line = Line(0)
        waiting = asyncio.create_task(line.enter(bulk=True))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        line.leave()
        return line.is_full

    assert not asyncio.run(scenario())
