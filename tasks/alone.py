"""Which Deliveries this process sends alone: each once at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Alone:
    """Those that are. Threads may use it at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: set[str] = set()

    @contextmanager
    def enter(self, delivery_id: str) -> Iterator[bool]:
        """Whether this one may be, until the end of the block; False: it is already."""
        with self._lock:
            entered = delivery_id not in self._ids
            self._ids.add(delivery_id)
        try:
            yield entered
        finally:
            if entered:
                with self._lock:
                    self._ids.discard(delivery_id)
