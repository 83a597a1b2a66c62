"""Which Deliveries this process sends alone: few at a time, and each once at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: With more under way, a claim that many share costs less than that of each.
MOST = 4


class Alone:
    """Those that are. Threads may use it at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: set[str] = set()

    @contextmanager
    def enter(self, delivery_id: str) -> Iterator[bool]:
        """Whether this one may be, until the end of the block."""
        with self._lock:
            entered = len(self._ids) < MOST and delivery_id not in self._ids
            if entered:
                self._ids.add(delivery_id)
        try:
            yield entered
        finally:
            if entered:
                with self._lock:
                    self._ids.discard(delivery_id)
