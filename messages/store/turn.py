"""Whose turn it is to write to an SQLite file: one writer at a time, among threads and among processes.

SQLite itself polls for its turn, and sleeps longer at each try, up to a tenth of a second; with a handful of
processes that write all the time, most of that time is slept away. A lock on a file beside the database is
given back by the kernel when its holder ends, however that ends.

There are two locks, for fairness: whoever has the place next to the turn waits for the turn itself, others
for the place. So a writer that goes from one transaction to the next lets another process go first. Nobody
waits for the place for long: a process that is stopped while it waits must not hold up all the others.
"""

import fcntl
import os
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from messages.errors import StoreUnavailable

#: Between two looks, in seconds: for the turn itself, and for the place next to it. A look costs some µs.
_PAUSE, _LONG_PAUSE = 0.0001, 0.0005

#: Seconds for which one is courteous, and waits for the place next to the turn.
_COURTESY = 0.03

_BUSY = "the store is busy: another writer does not end"


class Turn:
    """The turn to write to the database at `path`."""

    def __init__(self, path: Path, patience: float) -> None:
        self._patience = patience
        self._threads = threading.Lock()
        self._turn = _FileLock(path.with_name(path.name + "-turn"), _PAUSE)
        self._next = _FileLock(path.with_name(path.name + "-next"), _LONG_PAUSE)

    @contextmanager
    def __call__(self, deadline: float | None = None) -> Iterator[None]:
        """Wait for it, and have it. Raises StoreUnavailable.

        It is waited for until `deadline`, by time.monotonic(); without one for `patience` seconds.
        """
        deadline = time.monotonic() + self._patience if deadline is None else deadline
        if not self._threads.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise StoreUnavailable(_BUSY)
        try:
            is_next = self._next.lock(min(deadline, time.monotonic() + _COURTESY))
            try:
                if not self._turn.lock(deadline):
                    raise StoreUnavailable(_BUSY)
            finally:
                if is_next:
                    self._next.unlock()
            try:
                yield
            finally:
                self._turn.unlock()
        finally:
            self._threads.release()


class _FileLock:
    """A lock on a file, made at first use. `pause`: seconds between two looks at it."""

    def __init__(self, path: Path, pause: float) -> None:
        self._path, self._pause = path, pause
        self._file: int | None = None  #: its descriptor

    def lock(self, deadline: float) -> bool:
        """Wait for it until then, by time.monotonic(); whether it is ours. Raises StoreUnavailable."""
        file = self._open() if self._file is None else self._file
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    return False
                time.sleep(self._pause)
            except OSError as error:  # the file system knows no locks, or has none left
                raise _away(error) from None
            else:
                return True

    def unlock(self) -> None:
        """Give it back."""
        if self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _open(self) -> int:
        try:
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
        except OSError as error:
            raise _away(error) from None
        weakref.finalize(self, os.close, self._file)
        return self._file


def _away(error: OSError) -> StoreUnavailable:
    return StoreUnavailable(f"the store is unavailable: {error.strerror}")
