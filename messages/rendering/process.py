"""Processes that render slow Messages and can be ended: see `messages.rendering.process_main`.

No thread can interrupt a regular expression or a template's loop; the kernel can end a process. Each
request is JSON behind its length, and so is each answer. A process that used up the processor time for one
request is ended by its own timer (SIGPROF), even if the process that asked has died.
"""

import contextlib
import json
import os
import queue
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from messages.errors import RenderBusy, RenderUnavailable

#: How long a request waits for one of the processes, in seconds: a thread that waits sends nothing else.
MAX_WAIT_SECONDS = 0.5

#: Times its processor time that a request may take by the clock, before the machine counts as too busy.
_CLOCK_FACTOR = 20

_LENGTH = struct.Struct(">Q")

#: Nothing else of the environment is passed on: it may hold secrets, and rendering needs none.
_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "PYTHONTZPATH", "TMPDIR", "LD_LIBRARY_PATH")


class RenderTimeout(Exception):
    """A request took more processor time than the limit."""


class RenderCrash(Exception):
    """A process was ended by a fault (a signal such as SIGSEGV or SIGABRT) while it rendered."""


class RenderProcesses:
    """At most `size` processes, each started when it is first needed, and replaced when it was ended.

    Safe to share between threads. `options` is passed on to `messages.rendering.process_main`.
    """

    def __init__(self, options: dict[str, Any], *, timeout_seconds: float, size: int = 2) -> None:
        self._options = {**options, "timeout_seconds": timeout_seconds}
        self._timeout = timeout_seconds
        self._idle: queue.LifoQueue[_Process | None] = queue.LifoQueue()
        for _ in range(size):
            self._idle.put(None)
        self._is_closed = False

    def request(self, request: dict[str, Any], *, wait_seconds: float = MAX_WAIT_SECONDS) -> dict[str, Any]:
        """Answer one request. Raises RenderTimeout, RenderCrash or RenderUnavailable."""
        try:
            process = self._idle.get(timeout=wait_seconds)
        except queue.Empty:
            raise RenderBusy("All render processes are at work with other Messages.") from None
        try:
            if process is None or process.has_ended:
                process = self._start()
            return process.request(request, self._timeout * _CLOCK_FACTOR)
        finally:
            if process is not None and process.has_ended and not self._is_closed:
                with contextlib.suppress(RenderUnavailable):
                    process = self._start()  # now, so that the next request need not wait for its imports
            self._idle.put(process)
            if self._is_closed:
                self.close()

    def close(self) -> None:
        """End the idle processes; those at work end with their request."""
        self._is_closed = True
        with contextlib.suppress(queue.Empty):
            while True:
                if process := self._idle.get_nowait():
                    process.end()

    def _start(self) -> "_Process":
        try:
            return _Process(self._options)
        except OSError as error:
            reason = f"No render process can be started ({error.strerror})."
            raise RenderUnavailable(reason) from None


class _Process:
    def __init__(self, options: dict[str, Any]) -> None:
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        self._process = subprocess.Popen(  # noqa: S603 - our own program, no shell
            [sys.executable, "-m", "messages.rendering.process_main", json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # a traceback may quote what a customer wrote
            env={**environment, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            cwd=Path(__file__).parents[2],
            start_new_session=True,  # Ctrl-C in a terminal is for the worker, which finishes its work first
        )

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def request(self, request: dict[str, Any], clock_seconds: float) -> dict[str, Any]:
        timer = threading.Timer(clock_seconds, self._process.kill)
        timer.daemon = True
        timer.start()
        try:
            write(self._stream(self._process.stdin), request)
            return read(self._stream(self._process.stdout))
        except (EOFError, OSError):
            raise self._ended() from None
        finally:
            timer.cancel()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                self._stream(stream).close()

    def _ended(self) -> Exception:
        """Give the error that says why the process is gone."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        code = self._process.poll()
        self.end()
        if code == -signal.SIGPROF:
            return RenderTimeout()
        if code is not None and -code in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL):
            return RenderCrash(signal.Signals(-code).name)
        return RenderUnavailable("The render process was ended, or the machine is too busy.")

    @staticmethod
    def _stream(stream: IO[bytes] | None) -> IO[bytes]:
        if stream is None:
            raise EOFError
        return stream


def write(stream: IO[bytes], value: dict[str, Any]) -> None:
    """Write `value` as JSON behind its length."""
    data = json.dumps(value).encode()
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def read(stream: IO[bytes]) -> dict[str, Any]:
    """Read what `write` wrote. Raises EOFError at the end of the stream."""
    [length] = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    value: dict[str, Any] = json.loads(_exactly(stream, length))
    return value


def requests(stream: IO[bytes]) -> Iterator[dict[str, Any]]:
    """Yield all values, to the end of the stream."""
    with contextlib.suppress(EOFError):
        while True:
            yield read(stream)


def _exactly(stream: IO[bytes], length: int) -> bytes:
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data
