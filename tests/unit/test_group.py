"""Group commit: who shares a commit, and who is told what when the store is slow."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from messages import group
from messages.errors import Overloaded, StoreUnavailable
from messages.group import Group


class SlowStore:
    """Commits once it is told to go on."""

    def __init__(self) -> None:
        self.goes_on, self.stored = threading.Event(), list[str]()

    def commit(self, entries: Sequence[str]) -> Sequence[str]:
        self.goes_on.wait(5)
        self.stored.extend(entries)
        return entries


def test_what_waited_too_long_is_refused_and_never_stored(monkeypatch):
    monkeypatch.setattr(group, "PATIENCE", 0.05)
    slow = SlowStore()

    async def scenario() -> list[object]:
        grouped = Group(slow.commit)
        first = asyncio.create_task(grouped.submit("first"))
        await asyncio.sleep(0)
        second = asyncio.create_task(grouped.submit("second"))
        asyncio.get_running_loop().call_later(0.2, slow.goes_on.set)
        results = await asyncio.gather(first, second, return_exceptions=True)
        await grouped.close()
        return results

    first, second = asyncio.run(scenario())
    assert first == "first"
    assert isinstance(second, StoreUnavailable)
    assert slow.stored == ["first"]


def test_nobody_waits_for_ever_neither_for_a_commit_that_hangs_nor_behind_it(monkeypatch):
    monkeypatch.setattr(group, "MAX_SECONDS", 0.1)
    monkeypatch.setattr(group, "LOOK", 0.02)
    slow = SlowStore()

    async def scenario() -> list[object]:
        grouped = Group(slow.commit)
        hurried = asyncio.create_task(grouped.submit("goes away"))
        await asyncio.sleep(0.01)
        hurried.cancel()
        first = asyncio.create_task(grouped.submit("behind"))
        await asyncio.sleep(0.15)  # whoever came first was told so by now
        second = asyncio.create_task(grouped.submit("later"))
        results = await asyncio.wait_for(asyncio.gather(first, second, return_exceptions=True), 2)
        slow.goes_on.set()
        await grouped.close()
        return results

    for result in asyncio.run(scenario()):
        assert isinstance(result, StoreUnavailable)
        assert "0.1 s" in str(result)


def test_a_commit_that_forgets_one_is_an_error_to_whoever_waits():
    async def scenario() -> object:
        grouped = Group[str, str](lambda _: [])
        results = await asyncio.wait_for(asyncio.gather(grouped.submit("x"), return_exceptions=True), 2)
        await grouped.close()
        return results[0]

    assert isinstance(asyncio.run(scenario()), ValueError)


def test_what_nobody_waits_for_any_longer_is_not_stored():
    slow = SlowStore()

    async def scenario() -> None:
        grouped = Group(slow.commit)
        first = asyncio.create_task(grouped.submit("first"))
        await asyncio.sleep(0)
        second = asyncio.create_task(grouped.submit("second"))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.sleep(0)
        slow.goes_on.set()
        with pytest.raises(asyncio.CancelledError):
            await second
        await first
        await grouped.close()

    asyncio.run(scenario())
    assert slow.stored == ["first"]


def test_who_would_be_one_too_many_is_told_so_at_once_and_the_others_are_stored(monkeypatch):
    monkeypatch.setattr(group, "MAX_WAITING", 2)
    slow = SlowStore()

    async def scenario() -> None:
        grouped = Group(slow.commit)
        first = asyncio.create_task(grouped.submit("first"))
        await asyncio.sleep(0)
        batch = asyncio.create_task(grouped.submit("two of them", weight=2))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await grouped.submit("one too many")
        slow.goes_on.set()
        await asyncio.gather(first, batch)
        assert await grouped.submit("later") == "later"
        await grouped.close()

    asyncio.run(scenario())
    assert slow.stored == ["first", "two of them", "later"]
