"""The real processes, `roundsman intake` and `celery -A worker worker`, and the memory they take."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from messages.settings import PROJECT_ROOT

#: In seconds. What the processes wait for, so that a run need not wait long for slow clients.
HEAD_SECONDS, BODY_SECONDS = 2, 3


class Process:
    """One of them, what it logs, and how much memory it took at most."""

    def __init__(self, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command, env=dict(environment), cwd=PROJECT_ROOT, stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self._watched = psutil.Process(self._process.pid)
        self.base = self.peak = self.last = 0

    @property
    def rss(self) -> int:
        """What it takes now, in bytes."""
        with contextlib.suppress(psutil.Error):
            return int(self._watched.memory_info().rss)
        return 0

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    async def logs(self, text: str, seconds: float = 60) -> None:
        """Wait until it has."""
        async with asyncio.timeout(seconds):
            while text not in self.log.read_text(errors="replace"):
                assert self.is_alive, self.log.read_text(errors="replace")
                await asyncio.sleep(0.05)

    def start_watching(self) -> None:
        """From now on note the most it takes."""
        self.base = self.peak = self.rss
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while self.is_alive:
            self.peak = max(self.peak, self.rss)
            await asyncio.sleep(0.02)

    @property
    def took(self) -> tuple[int, int, int]:
        """Before, at most, and at last, in bytes."""
        return self.base, self.peak, self.last

    async def stop(self) -> int:
        """Its exit code."""
        self.last = self.rss
        self._process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self._process.wait, 30)

    def kill(self) -> None:
        """Whatever came before."""
        if self.is_alive:
            self._process.kill()
            self._process.wait()


@contextmanager
def processes(environment: Mapping[str, str], port: int, folder: Path) -> Iterator[tuple[Process, Process]]:
    """Intake and a worker, started."""
    roundsman = str(Path(sys.executable).parent / "roundsman")
    intake = Process([roundsman, "intake", "--port", str(port)], environment, folder / "intake.log")
    command = [sys.executable, "-m", "celery", "-A", "worker", "worker", "-l", "INFO", "--without-mingle"]
    worker = Process(command, environment, folder / "worker.log")
    try:
        yield intake, worker
    finally:
        intake.kill()
        worker.kill()


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """Nothing of the developer's."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(PROJECT_ROOT),
        "VAR_DIR": str(folder),
        "SENDER_PHONE": "+15005550006",
        "HEAD_TIMEOUT_SECONDS": str(HEAD_SECONDS),
        "BODY_TIMEOUT_SECONDS": str(BODY_SECONDS),
        "MAX_BODY_BYTES": "10000000",
        **settings,
    }
