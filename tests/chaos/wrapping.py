"""The real parts, wrapped so that the points are passed. Each wrapper stands where its part stood."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, TypeVar

from messages.delivery import Lane
from messages.doorbell import Doorbell
from messages.outcomes import Outcome, Sent
from tasks.parts import Parts
from tests.chaos.points import Point, Points

Done = TypeVar("Done")


class Wrapper:
    """Passes everything on to the part."""

    def __init__(self, part: Any, points: Points) -> None:
        self._part, self._points = part, points

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part, name)

    def _after(self, done: Done, point: Point) -> Done:
        """Pass the point if anything was done."""
        if done:
            self._points.reach(point)
        return done


class FaultyStore(Wrapper):
    """A store around whose transactions one can die."""

    def accept(self, *arguments: Any, **named: Any) -> Any:
        self._points.reach(Point.BEFORE_COMMIT)
        accepted = self._part.accept(*arguments, **named)
        self._points.reach(Point.AFTER_COMMIT)
        return accepted

    def claim(self, *arguments: Any, **named: Any) -> Any:
        self._points.reach(Point.AFTER_POP)
        return self._after(self._part.claim(*arguments, **named), Point.AFTER_CLAIM)

    def find_alone(self, *arguments: Any, **named: Any) -> Any:
        self._points.reach(Point.AFTER_POP)
        return self._after(self._part.find_alone(*arguments, **named), Point.AFTER_FIND)

    def take(self, *arguments: Any, **named: Any) -> Any:
        return self._after(self._part.take(*arguments, **named), Point.AFTER_CLAIM)

    def settle(self, *arguments: Any, **named: Any) -> Any:
        self._points.reach(Point.ASKED)
        return self._part.settle(*arguments, **named)

    def sweep(self, *arguments: Any, **named: Any) -> Any:
        return self._after(self._part.sweep(*arguments, **named), Point.SWEPT)


class FaultyProgress(Wrapper):
    """Begun, and nothing reaches the wire; an outcome known and not recorded, or not its neighbours'."""

    async def begin(self, beginning: Any) -> bool:
        return self._after(await self._part.begin(beginning), Point.BEFORE_WIRE)

    async def claim_and_begin(self, beginning: Any) -> bool:
        return self._after(await self._part.claim_and_begin(beginning), Point.BEFORE_WIRE)

    async def record(self, result: Any) -> bool:
        self._points.reach(Point.BEFORE_RECORD)
        held = await self._part.record(result)
        self._points.reach(Point.BETWEEN_RECORDS)
        return held


class FaultyChannel(Wrapper):
    """The provider has it, and said so."""

    async def send(self, *arguments: Any) -> Outcome:
        outcome = await self._part.send(*arguments)
        if isinstance(outcome, Sent):
            self._points.reach(Point.ACCEPTED)
        return outcome


class FaultyDoorbell(Doorbell):
    """Publishes some tasks and dies before the next."""

    def __init__(self, app: Any, points: Points, *, in_haste: bool = False) -> None:
        super().__init__(app, in_haste=in_haste)
        self._points = points

    def _push(self, lane: Lane, entries: Iterable[bytes]) -> None:
        for entry in entries:
            super()._push(lane, [entry])
            self._points.reach(Point.BETWEEN_RINGS)


def faulty_parts(parts: Parts, app: Any, points: Points) -> Parts:
    """A worker's parts, each where it was."""
    store: Any = FaultyStore(parts.store, points)
    wrapped: dict[str, Any] = {
        "store": store,
        "acceptor": replace(parts.acceptor, store=store),
        "doorbell": FaultyDoorbell(app, points),
        "progress": FaultyProgress(parts.progress, points),
        "sms": FaultyChannel(parts.sms, points),
        "email": FaultyChannel(parts.email, points),
    }
    return replace(parts, **wrapped)
