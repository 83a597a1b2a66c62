"""Slots for fetching: a host that fails is paused, and what waits for it is postponed, not tried."""

import asyncio

import pytest

from messages.circuit import PAUSE_MS, THRESHOLD
from messages.errors import AttachmentError, FetchPostponed
from worker.channels.fetch_slots import BUSY_MS, IN_TOTAL, PER_HOST, FetchSlots

HUNG = AttachmentError("The attachment at a could not be fetched within 20 seconds", temporary=True)
MISSING = AttachmentError("The attachment cannot be fetched: a answered 404 Not Found")


async def fail(slots: FetchSlots, error: AttachmentError, host: str = "a:443", times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(AttachmentError):
            async with slots.slot(host):
                raise error


async def postponed(slots: FetchSlots, host: str = "a:443", within: float = 0) -> FetchPostponed:
    with pytest.raises(FetchPostponed) as caught:
        async with slots.slot(host, within=within):
            pass
    return caught.value


async def succeed(slots: FetchSlots, host: str = "a:443") -> None:
    async with slots.slot(host):
        pass


def test_host_that_fails_in_a_row_is_paused_and_others_are_not(clock):
    async def main() -> None:
        slots = FetchSlots(clock)
        await fail(slots, HUNG, times=THRESHOLD)
        later = await postponed(slots)
        assert later.until == clock() + PAUSE_MS
        assert "a:443" in later.reason
        assert "no attempt was made" in later.reason
        await succeed(slots, "b:443")
        await succeed(slots, "a:8443")

    asyncio.run(main())


def test_failure_that_is_the_files_own_and_a_success_pause_nothing(clock):
    async def main() -> None:
        slots = FetchSlots(clock)
        await fail(slots, MISSING, times=2 * THRESHOLD)
        for _ in range(3):
            await fail(slots, HUNG, times=THRESHOLD - 1)
            await succeed(slots)

    asyncio.run(main())


def test_single_request_finds_out_whether_a_paused_host_works_again(clock):
    async def main() -> None:
        slots = FetchSlots(clock)
        await fail(slots, HUNG, times=THRESHOLD)
        clock.now += PAUSE_MS
        async with slots.slot("a:443"):
            assert (await postponed(slots)).until == clock() + BUSY_MS
        async with slots.slot("a:443"):  # it works
            await succeed(slots)

    asyncio.run(main())


def test_host_that_fails_again_is_paused_for_twice_as_long(clock):
    async def main() -> None:
        slots = FetchSlots(clock)
        await fail(slots, HUNG, times=THRESHOLD)
        clock.now += PAUSE_MS
        await fail(slots, HUNG)
        assert (await postponed(slots)).until == clock() + 2 * PAUSE_MS

    asyncio.run(main())


def test_what_waits_for_a_host_is_postponed_as_soon_as_that_is_paused(clock):
    async def main() -> None:
        slots, hung = FetchSlots(clock), asyncio.Event()

        async def hang() -> None:
            async with slots.slot("a:443"):
                await hung.wait()
                raise HUNG

        hanging = [asyncio.create_task(hang()) for _ in range(PER_HOST)]
        await asyncio.sleep(0)
        waiting = [asyncio.create_task(postponed(slots, within=10)) for _ in range(100)]
        await asyncio.sleep(0)
        hung.set()
        async with asyncio.timeout(2):
            assert {later.until for later in await asyncio.gather(*waiting)} == {clock() + PAUSE_MS}
        await asyncio.gather(*hanging, return_exceptions=True)

    asyncio.run(main())


def test_slots_are_bounded_per_host_and_in_total(clock):
    async def main() -> None:
        slots, end = FetchSlots(clock), asyncio.Event()
        busy = 0

        async def hold(host: str) -> None:
            nonlocal busy
            async with slots.slot(host):
                busy += 1
                await end.wait()

        tasks = [asyncio.create_task(hold(f"h{n}:443")) for n in range(20) for _ in range(20)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert busy == IN_TOTAL
        for host in ("h0:443", "new:443"):  # one has no slot, and there is none at all
            later = await postponed(slots, host)
            assert clock() + BUSY_MS <= later.until <= clock() + 2 * BUSY_MS
        end.set()
        await asyncio.gather(*tasks)
        await succeed(slots, "h0:443")

    asyncio.run(main())
    assert PER_HOST < IN_TOTAL
