"""One Roundsman a folder: locks on two files, which end with the processes that hold them.

`up.lock` is held by `up` alone, `guard.lock` also by its guard. So after a `kill -9` of `up` the second one
is held for as long as the guard is still stopping what was left behind.
"""

import fcntl
import os
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from worker.up.screen import Screen
from worker.up.service import StartError

#: How long the guard of an `up` that was killed may take to stop what that left behind.
_LEFTOVER_SECONDS = 20.0
_POLL_SECONDS = 0.1


class Lock:
    """Held until `with` ends. Raises StartError when another Roundsman holds it.

    `inheritable` is the file descriptor of `guard.lock`.
    """

    def __init__(self, folder: Path, address: str, screen: Screen) -> None:
        self._folder, self._address, self._screen = folder, address, screen
        self._open = ExitStack()
        self.inheritable = -1

    def __enter__(self) -> "Lock":
        with ExitStack() as opened:
            mine = self._file(opened, "up.lock")
            if not _try(mine):
                raise StartError(
                    f"a Roundsman is already running here ({_read(mine)}): stop it first, "
                    "with Ctrl-C in its terminal, or set VAR_DIR to another folder"
                )
            os.ftruncate(mine, 0)
            os.pwrite(mine, f"process {os.getpid()}, {self._address}\n".encode(), 0)
            self.inheritable = self._file(opened, "guard.lock")
            self._wait_for_guard()
            self._open = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def _file(self, opened: ExitStack, name: str) -> int:
        descriptor = os.open(self._folder / name, os.O_RDWR | os.O_CREAT, 0o600)
        opened.callback(os.close, descriptor)
        return descriptor

    def _wait_for_guard(self) -> None:
        deadline = time.monotonic() + _LEFTOVER_SECONDS
        if not _try(self.inheritable):
            self._screen.say("Waiting until what is left of a killed Roundsman has stopped …")
        while not _try(self.inheritable):
            if time.monotonic() > deadline:
                raise StartError(f"what a killed Roundsman left behind does not stop: see {self._folder}/log")
            time.sleep(_POLL_SECONDS)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(descriptor: int) -> str:
    return os.pread(descriptor, 200, 0).decode("utf-8", "replace").strip()
