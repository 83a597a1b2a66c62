"""The one bridge between the synchronous tasks and the asynchronous channels: a loop in a thread."""

import asyncio
import threading
from collections.abc import Coroutine, Iterable
from concurrent.futures import wait
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """An event loop that runs in a thread of its own, started at first use. Owns all connections."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def run_all(self, jobs: Iterable[Coroutine[Any, Any, object]]) -> None:
        """Run the jobs together, to their ends. Called from a task's thread.

        Jobs are started as the iterable gives them, so a list is prepared while its first entries
        are already on the wire. What a job raises is raised here, after all the others are done.
        """
        loop = self._running_loop()
        futures = [asyncio.run_coroutine_threadsafe(job, loop) for job in jobs]
        wait(futures)
        for future in futures:
            future.result()

    def run(self, job: Coroutine[Any, Any, T], timeout: float) -> T:
        """Run one job to its end, for at most `timeout` seconds. Raises TimeoutError."""
        return asyncio.run_coroutine_threadsafe(job, self._running_loop()).result(timeout)

    def close(self) -> None:
        """Stop the loop and its thread; nothing may be under way."""
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)
            self._loop.close()
            self._loop = self._thread = None

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="channels", daemon=True)
                self._thread.start()
            return self._loop
