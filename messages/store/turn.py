"""Whose turn it is to write to an SQLite file: one writer at a time, among threads and among processes.

SQLite itself polls for its turn, and sleeps longer at each try, up to a tenth of a second; with a handful of
processes that write all the time, most of that time is slept away. A lock on a file beside the database is
given back by the kernel when its holder ends, however that ends.
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

#: Between two looks, in seconds: a look costs ten microseconds.
_PAUSE = 0.0005

_BUSY = "the store is busy: another writer does not end"


class Turn:
    """The turn to write to the database at `path`."""

    def __init__(self, path: Path, patience: float) -> None:
        self._path, self._patience = path.with_name(path.name + "-turn"), patience
        self._threads = threading.Lock()
        self._file: int | None = None  #: its descriptor

    @contextmanager
    def __call__(self, deadline: float | None = None) -> Iterator[None]:
        """Wait for it, and have it. Raises StoreUnavailable.

        It is waited for until `deadline`, by time.monotonic(); without one for `patience` seconds.
        """
        deadline = time.monotonic() + self._patience if deadline is None else deadline
        if not self._threads.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise StoreUnavailable(_BUSY)
        try:
            file = self._locked(deadline)
            try:
                yield
            finally:
                fcntl.flock(file, fcntl.LOCK_UN)
        finally:
            self._threads.release()

    def _locked(self, deadline: float) -> int:
        file = self._open() if self._file is None else self._file
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StoreUnavailable(_BUSY) from None
                time.sleep(_PAUSE)
            else:
                return file

    def _open(self) -> int:
        try:
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreUnavailable(f"the store cannot be reached: {error.strerror}") from None
        weakref.finalize(self, os.close, self._file)
        return self._file
