"""Gathering: threads that want the same thing at the same time share one transaction.

One alone waits for nothing. What comes while a transaction is under way shares the next one, which the
thread that came first of these makes for all of them. `messages.group` is the same for an event loop.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from messages.errors import StoreUnavailable

In = TypeVar("In")
Out = TypeVar("Out")

#: What makes one transaction of many entries; an output for each.
Make = Callable[[Sequence[In]], Sequence[Out]]


@dataclass(slots=True, eq=False)
class _Waiting(Generic[In, Out]):
    entry: In
    weight: int
    woken: threading.Event = field(default_factory=threading.Event)
    outputs: list[Out] = field(default_factory=list)  #: one, once it is done
    error: Exception | None = None

    @property
    def is_done(self) -> bool:
        return bool(self.outputs) or self.error is not None


class Gathering(Generic[In, Out]):
    """Whoever submits at the same time shares a transaction, up to `most` together, by weight.

    `pause`: seconds between two transactions while some wait; one that comes alone never waits so.
    """

    def __init__(self, most: int, *, pause: float = 0) -> None:
        self._most, self._pause = most, pause
        self._lock = threading.Lock()
        self._waiting: list[_Waiting[In, Out]] = []
        self._busy = False

    def submit(self, entry: In, make: Make[In, Out], weight: int = 1) -> Out:
        """The output for `entry`. Raises what `make` raises; one that fails by a bug spoils no other."""
        mine = _Waiting[In, Out](entry, weight)
        with self._lock:
            self._waiting.append(mine)
            leads, self._busy = not self._busy, True
        if not leads:
            mine.woken.wait()
            if not mine.is_done:
                time.sleep(self._pause)
        if not mine.is_done:
            self._lead(make)
        if mine.error is not None:
            raise mine.error
        return mine.outputs[0]

    def _lead(self, make: Make[In, Out]) -> None:
        """Do it for those that came first, oneself the first of them; then the next may lead."""
        with self._lock:
            group = self._next_group()
        try:
            _do(group, make)
        finally:
            with self._lock:
                after = self._waiting[0] if self._waiting else None
                self._busy = after is not None
            if after is not None:
                after.woken.set()
            for one in group:
                one.woken.set()

    def _next_group(self) -> list[_Waiting[In, Out]]:
        count = weight = 0
        for one in self._waiting:
            if count and weight + one.weight > self._most:
                break
            count, weight = count + 1, weight + one.weight
        group, self._waiting = self._waiting[:count], self._waiting[count:]
        return group


def _do(group: Sequence[_Waiting[In, Out]], make: Make[In, Out]) -> None:
    try:
        outputs = make([one.entry for one in group])
        for one, output in zip(group, outputs, strict=True):
            one.outputs.append(output)
    except Exception as error:  # noqa: BLE001 - it is handed to those who wait
        if len(group) > 1 and not isinstance(error, StoreUnavailable):
            for one in group:
                _do([one], make)
            return
        for one in group:
            one.error = error
