"""Which Deliveries this process sends alone: few at a time, and each once at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto

#: With more under way, a claim that many share costs less than that of each.
MOST = 4


class Entry(Enum):
    """What becomes of one that came alone."""

    ALONE = auto()  #: it is sent alone, until the end of the block
    CROWDED = auto()  #: there are enough of them
    TWICE = auto()  #: it is being sent alone already


class Alone:
    """Those that are. Threads may use it at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: set[str] = set()

    @contextmanager
    def enter(self, delivery_id: str) -> Iterator[Entry]:
        """Whether this one may be."""
        entry = self._enter(delivery_id)
        try:
            yield entry
        finally:
            if entry is Entry.ALONE:
                with self._lock:
                    self._ids.discard(delivery_id)

    def _enter(self, delivery_id: str) -> Entry:
        with self._lock:
            if delivery_id in self._ids:
                return Entry.TWICE
            if len(self._ids) >= MOST:
                return Entry.CROWDED
            self._ids.add(delivery_id)
            return Entry.ALONE
