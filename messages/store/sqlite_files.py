"""The files of a SQLite store: only their owner may read them, and that they are deleted is noticed.

Whoever has a file open that was deleted or replaced writes to it, and loses that, without an error.
"""

import os
from contextlib import suppress
from pathlib import Path

from messages.errors import StoreUnavailable

#: Of a file that only its owner may read and write.
_PRIVATE = 0o600

#: What SQLite, and the lock beside it, add to the name of the file.
_SUFFIXES = ("", "-wal", "-shm", "-turn", "-next")

GONE = "the store is unavailable: its file was deleted or replaced"


class Files:
    """The file of a store, its log and its index, as a connection has them open."""

    def __init__(self, path: str) -> None:
        self._paths = (path, f"{path}-wal", f"{path}-shm")
        self._seen = self._look()

    def are_there(self) -> bool:
        """Whether the same files still have these names. Takes some µs."""
        return self._look() == self._seen

    def check(self) -> None:
        """Raise StoreUnavailable where others no longer find what was committed."""
        if not self.are_there():
            raise StoreUnavailable(GONE)

    def _look(self) -> list[tuple[int, int] | None]:
        return [_identity(path) for path in self._paths]


def create_file(path: str) -> None:
    """Make the file of a new store. SQLite's own would follow the umask, and its log follows the file."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, _PRIVATE))


def make_private(path: str) -> None:
    """Take away what a store that was made by an earlier version allows to others."""
    for suffix in _SUFFIXES:
        file = Path(path + suffix)
        with suppress(OSError):  # it is not there, or somebody else's
            if file.stat().st_mode & 0o777 & ~_PRIVATE:
                file.chmod(_PRIVATE)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - at each transaction; a Path takes three times as long
    except OSError:
        return None
    return status.st_dev, status.st_ino
