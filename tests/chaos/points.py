"""Named points in the life of a Delivery at which a process can be killed or stopped, on order.

The runner leaves an order: a file, named like the point. The first process that passes the point takes it
(a rename, so nobody else does) and does it to itself. Production code knows nothing of this.
"""

import contextlib
import os
import signal
import time
from enum import StrEnum
from pathlib import Path

from messages.clock import system_clock


class Role(StrEnum):
    """Whose point it is."""

    INTAKE = "intake"
    WORKER = "worker"


class Point(StrEnum):
    """Where. At the queue entrance, a worker passes intake's points."""

    BEFORE_COMMIT = "before the commit"
    AFTER_COMMIT = "after the commit, before it is enqueued"
    BETWEEN_RINGS = "between two entries put on the queue"
    AFTER_POP = "after the pop"
    AFTER_FIND = "after it was found, before it is claimed"
    AFTER_CLAIM = "after the claim"
    BEFORE_WIRE = "before the wire"
    ACCEPTED = "after the provider accepted"
    BEFORE_RECORD = "before the record"
    BETWEEN_RECORDS = "between two records"
    SWEPT = "after the sweep took, before it rang"
    ASKED = "after Twilio was asked, before it is settled"
    CLOCK = "the clock is read"


class Action(StrEnum):
    """What a process does to itself."""

    KILL = "kill -9"
    STOP = "stop"  #: the runner wakes it up again


_SIGNALS = {Action.KILL: signal.SIGKILL, Action.STOP: signal.SIGSTOP}


class Points:
    """The points of one process."""

    def __init__(self, orders: Path, role: Role) -> None:
        self._waiting = {point: str(place(orders, role, point)) for point in Point}
        self._taken = {point: f"{path}.{os.getpid()}" for point, path in self._waiting.items()}

    def reach(self, point: Point) -> None:
        """Pass the point; with an order there, do not."""
        if order := self.take(point):
            os.kill(os.getpid(), _SIGNALS[Action(order)])

    def take(self, point: Point) -> str | None:
        """The order at this point, if there is one. The file that stays, with our pid, tells the runner."""
        try:
            with open(self._waiting[point]) as file:  # noqa: PTH123 - passed for every Delivery
                order = file.read()
            os.rename(self._waiting[point], self._taken[point])  # noqa: PTH104
        except FileNotFoundError:
            return None
        return order


class JumpingClock:
    """The system's clock, ahead or behind for a while when that is ordered: `offset ms, seconds`."""

    def __init__(self, points: Points) -> None:
        self._points, self._offset, self._until = points, 0, 0.0

    def __call__(self) -> int:
        if order := self._points.take(Point.CLOCK):
            offset, seconds = order.split(",")
            self._offset, self._until = int(offset), time.monotonic() + float(seconds)
        return system_clock() + (self._offset if time.monotonic() < self._until else 0)


class Orders:
    """The runner's side: leave an order, and learn who took it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for role in Role:
            (folder / role).mkdir(parents=True, exist_ok=True)

    def give(self, role: Role, point: Point, order: str) -> bool:
        """Leave an order, unless there is one already."""
        path = place(self.folder, role, point)
        if path.exists():
            return False
        draft = path.with_suffix(".draft")
        draft.write_text(order)
        draft.rename(path)
        return True

    def taker(self, role: Role, point: Point) -> int | None:
        """The pid of the process that took the order, told once."""
        path = place(self.folder, role, point)
        for taken in path.parent.glob(f"{path.name}.*"):
            if taken.suffix != ".draft":
                taken.unlink()
                return int(taken.suffix[1:])
        return None

    def withdraw(self, role: Role, point: Point) -> None:
        """Take back an order that nobody took."""
        with contextlib.suppress(FileNotFoundError):
            place(self.folder, role, point).unlink()


def place(orders: Path, role: Role, point: Point) -> Path:
    """Where the order for a point lies."""
    return orders / role / point.name.lower()
