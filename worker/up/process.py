"""One process of a service, from its start to its end."""

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable
from typing import BinaryIO

from worker.up import guard as guard_program
from worker.up.guard import group_exists, signal_group
from worker.up.output import Lines
from worker.up.service import Service, Stage

_KEPT_LINES = 200
_OUTPUT_END_SECONDS = 1.0


class Guard:
    """The process that stops what we started, should we be killed. See `worker.up.guard`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, keep_open: int) -> "Guard":
        """Start it. It holds on to the file descriptor `keep_open` (the lock) until it is done."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", guard_program.__file__),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=(keep_open,),
        )
        return cls(process)

    def started(self, group: int, stage: Stage) -> None:
        """A process group is ours."""
        self._tell(f"+ {int(stage)} {group}")

    def ended(self, group: int) -> None:
        """It is gone, and its number may soon be somebody else's."""
        self._tell(f"- {group}")

    async def dismiss(self) -> None:
        """Everything is stopped."""
        self._tell("done")
        if self._process.stdin:
            self._process.stdin.close()
        await self._process.wait()

    def _tell(self, line: str) -> None:
        if self._process.stdin:
            with contextlib.suppress(OSError, RuntimeError):
                self._process.stdin.write(f"{line}\n".encode())


class Running:
    """A process that was started. `ended` is the task that gives its exit code, negative for a signal."""

    def __init__(
        self,
        service: Service,
        process: asyncio.subprocess.Process,
        output: BinaryIO,
        guard: Guard,
        take: Callable[[str], None],
    ) -> None:
        self._process, self._output, self._guard, self._take = process, output, guard, take
        self._printed: deque[str] = deque(maxlen=_KEPT_LINES)
        self._news = asyncio.Event()
        guard.started(process.pid, service.stage)
        self.ended: asyncio.Task[int] = asyncio.create_task(self._live(), name=service.name)

    @classmethod
    async def spawn(cls, service: Service, guard: Guard, take: Callable[[str], None]) -> "Running":
        """Start the service's process; `take` gets every line it prints."""
        # A pipe of our own: with asyncio's, `wait()` lasts until everything that inherited it has ended.
        reading, writing = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *service.argv,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **service.env},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing,
                stderr=asyncio.subprocess.STDOUT,
                # Its own session: a terminal's Ctrl-C and hang-up reach `up` alone, which stops all in order.
                start_new_session=True,
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        return cls(service, process, os.fdopen(reading, "rb", 0), guard, take)

    @property
    def pid(self) -> int:
        """Its process id, and its process group's."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether anything of its process group is left."""
        return group_exists(self.pid)

    async def printed(self, pattern: str) -> None:
        """Return once a line matches the regular expression `pattern`."""
        wanted = re.compile(pattern)
        while not any(wanted.search(line) for line in self._printed):
            self._news.clear()
            await self._news.wait()

    async def finished(self) -> None:
        """Return once it has ended."""
        await asyncio.wait({self.ended})

    def terminate(self) -> None:
        """Ask it to end. Only it: what it started itself is its own to end."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()

    def kill(self) -> None:
        """End it and everything it started."""
        signal_group(self.pid, signal.SIGKILL)

    async def _live(self) -> int:
        reading = asyncio.create_task(self._read())
        code = await self._process.wait()
        self.kill()  # what it left behind would hold the pipe open, and the port
        await asyncio.wait({reading}, timeout=_OUTPUT_END_SECONDS)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        self._guard.ended(self.pid)
        return code

    async def _read(self) -> None:
        stream, lines = asyncio.StreamReader(), Lines()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), self._output
        )
        with contextlib.closing(transport):
            while data := await stream.read(65_536):
                self._hear(lines.feed(data))
            self._hear(lines.feed(b""))

    def _hear(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._printed.append(line)
            self._take(line)
        self._news.set()
