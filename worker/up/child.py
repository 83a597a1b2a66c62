"""One service: started, watched, started again when it dies, stopped."""

import asyncio
import contextlib
import logging
import signal
import time
from collections import deque
from pathlib import Path

from worker.up.output import LogFile, Reader
from worker.up.process import Guard, Running
from worker.up.screen import Screen
from worker.up.service import Service, StartError

#: A service that lived this long and dies is no repeated failure.
STEADY_SECONDS = 30.0
_LONGEST_DELAY_SECONDS = 30.0
_TAIL_LINES = 5
_SHOW_TAIL_AFTER = 3


def restart_delay(failures: int) -> float:
    """Seconds to wait before a service that failed `failures` times in a row (≥ 1) is started again."""
    return min(0.5 * 2.0 ** min(failures - 1, 10), _LONGEST_DELAY_SECONDS)


def ending(code: int) -> str:
    """How a process ended, from its exit code as `subprocess` gives it: negative for a signal."""
    if code >= 0:
        return f"ended with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"was killed by {signal.Signals(-code).name}"
    return f"was killed by signal {-code}"


class Child:
    """Runs one service: `start` once, then `keep` until that is cancelled, then `stop`."""

    def __init__(
        self, service: Service, *, logs: Path, screen: Screen, guard: Guard, verbose: bool = False
    ) -> None:
        self.service = service
        self._log = LogFile(logs, service.name)
        self._screen, self._guard, self._verbose = screen, guard, verbose
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._reader = Reader()
        self._running: Running | None = None
        self._stopping = False

    async def start(self, patience: float) -> None:
        """Start it and wait until it is ready. Raises StartError if it ends before, or after `patience` s."""
        running = await self._spawn()
        ready = await self._wait_until_ready(running, patience)
        name, log = self.service.name, self._log.path
        if self.service.once and not ready:
            raise StartError(f"{name} failed: {self._last_line()}")
        if running.ended.done() and not ready:
            how = ending(running.ended.result())
            raise StartError(f"{name} {how} while starting: {self._last_line()} (all of it is in {log})")
        if not ready:
            raise StartError(f"{name} was not ready after {patience:g} s: {self._last_line()} (see {log})")

    async def keep(self) -> None:
        """Start it again whenever it ends, more slowly while it keeps failing. Runs until cancelled."""
        failures, began = 0, time.monotonic()
        while running := self._running:
            await running.finished()
            failures = 1 if time.monotonic() - began > STEADY_SECONDS else failures + 1
            self._report_end(running.ended.result(), failures)
            await asyncio.sleep(restart_delay(failures))
            began = time.monotonic()
            if await self._wait_until_ready(await self._spawn(), None):
                self._screen.note(f"{self.service.name} is back ({time.monotonic() - began:.1f} s)")

    async def stop(self, patience: float) -> None:
        """SIGTERM, and SIGKILL to whatever is left of it after `patience` seconds."""
        self._stopping = True
        if (running := self._running) is None:
            return
        running.terminate()
        await asyncio.wait({running.ended}, timeout=patience)
        if not running.ended.done():
            self._screen.note(f"{self.service.name} did not stop within {patience:.0f} s; killing it")
            running.kill()
            await running.finished()
        self._log.close()

    def kill(self) -> None:
        """End it at once; `stop` then returns."""
        self._stopping = True
        if self._running:
            self._running.kill()

    async def _spawn(self) -> Running:
        self._reader = Reader()
        self._running = await Running.spawn(self.service, self._guard, self._take)
        return self._running

    async def _wait_until_ready(self, running: Running, patience: float | None) -> bool:
        ready = asyncio.ensure_future(self.service.ready(running))
        try:
            await asyncio.wait({ready, running.ended}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if self.service.once:
                return running.ended.done() and running.ended.result() == 0
            # Somebody else on its port may answer for a service that is already dead.
            return ready.done() and not running.ended.done()
        finally:
            ready.cancel()
            await asyncio.gather(ready, return_exceptions=True)

    def _report_end(self, code: int, failures: int) -> None:
        name, delay = self.service.name, restart_delay(failures)
        times = f", {failures} times in a row" if failures > 1 else ""
        self._screen.note(f"{name} {ending(code)}{times}; starting it again in {delay:g} s")
        if failures >= _SHOW_TAIL_AFTER:
            for line in self._tail:
                self._screen.line(name, line, error=True)

    def _last_line(self) -> str:
        return next((line.strip() for line in reversed(self._tail) if line.strip()), "it printed nothing")

    def _take(self, text: str) -> None:
        self._log.write(text)
        self._tail.append(text)
        line = self._reader.read(text)
        loud = line.level >= (logging.WARNING if self.service.warnings else logging.ERROR)
        if self._verbose:
            self._screen.line(self.service.name, text, error=loud)
        elif loud and not self._stopping:
            self._screen.line(self.service.name, line.text, error=loud)
