"""Processes that are measured: started by their real commands, and always stopped."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol

import psutil

from messages.settings import PROJECT_ROOT

LOOPBACK = "127.0.0.1"

#: Seconds for what should take a few, on a machine that is busy with other things.
PATIENCE = 60


class DidNotHappenError(Exception):
    """Something that was waited for did not come to pass."""


class Watching(Protocol):
    """Stops what is left when the runner is killed; see `bench.guard`."""

    def watch(self, group: int) -> None:
        """From now on."""

    def forget(self, group: int) -> None:
        """It has ended."""


class Running:
    """A process and its children, as a context manager; what it says goes to `log`."""

    def __init__(
        self, argv: Sequence[str], environment: Mapping[str, str], log: Path, guard: Watching
    ) -> None:
        self.argv, self.log, self._guard = argv, log, guard
        with log.open("ab") as out:
            self._process = subprocess.Popen(  # noqa: S603 - our own commands
                argv, cwd=PROJECT_ROOT, env=dict(environment), stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        guard.watch(self._process.pid)

    def __enter__(self) -> "Running":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self._process.poll() is not None

    def wait(self, seconds: float) -> None:
        """Until it ends by itself, well."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise DidNotHappenError(f"{self._name} still runs after {seconds:g} s; see {self.log}") from None
        if code:
            raise DidNotHappenError(f"{self._name} ended with {code}:\n{self._last_words()}")

    def until(self, happened: Callable[[], bool], seconds: float = PATIENCE, *, every: float = 0.05) -> None:
        """Wait for something that this process is to bring about."""
        deadline = time.monotonic() + seconds
        while not happened():
            if self.ended:
                raise DidNotHappenError(f"{self._name} ended before its time:\n{self._last_words()}")
            if time.monotonic() > deadline:
                raise DidNotHappenError(f"{self._name}: not within {seconds:g} s:\n{self._last_words()}")
            time.sleep(every)

    def tree(self) -> list[psutil.Process]:
        """The process and all below it."""
        with suppress(psutil.Error):
            own = psutil.Process(self._process.pid)
            return [own, *own.children(recursive=True)]
        return []

    def stop(self) -> None:
        """End it as a supervisor would; kill what does not end."""
        tree = self.tree()
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        _, alive = psutil.wait_procs(tree, timeout=15)
        for process in alive:
            with suppress(psutil.Error):
                process.kill()
        self._process.wait()
        self._guard.forget(self._process.pid)

    @property
    def _name(self) -> str:
        return " ".join(self.argv[1:4])

    def _last_words(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])


def python(*arguments: str) -> tuple[str, ...]:
    """`python …` of this very environment."""
    return (sys.executable, *arguments)


def bare_environment(**more: str) -> dict[str, str]:
    """What every process here gets: nothing of the caller's but where programs are."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
    return {**kept, "PYTHONPATH": str(PROJECT_ROOT), "PYTHONUNBUFFERED": "1", **more}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Whether somebody listens there."""
    with suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
        return True
    return False


def pss(process: psutil.Process) -> float:
    """Bytes of memory, what is shared counted in parts; where the system does not say, all of it."""
    full = process.memory_full_info()
    return float(getattr(full, "pss", 0) or full.rss)
