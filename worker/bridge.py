"""The one bridge between the synchronous tasks and the asynchronous channels: a loop in a thread."""

import asyncio
import logging
import threading
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from itertools import islice
from typing import Any, TypeVar

import uvloop

from messages.wording import told

log = logging.getLogger(__name__)

T = TypeVar("T")

#: How many jobs are started at once: each start wakes the loop up, which costs as much as a small job.
TOGETHER = 10


class LoopThread:
    """An event loop that runs in a thread of its own, started at first use. Owns all connections."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._started: set[Future[BaseException | None]] = set()  #: by `start`, and not finished

    def run_all(self, jobs: Iterable[Coroutine[Any, Any, object]]) -> None:
        """Run the jobs together, to their ends. Called from a task's thread.

        They are started some at a time, as the iterable gives them: so a list is prepared while its first
        entries are already on the wire. What a job raises is raised here, after all the others are done.
        """
        futures = list(self._submit(jobs))
        wait(futures)
        for future in futures:
            if error := future.result():
                raise error

    def start(self, jobs: Iterable[Coroutine[Any, Any, object]]) -> None:
        """Run the jobs without waiting for them: they would hold up a thread for too long.

        What a job raises is logged.
        """
        for future in self._submit(jobs):
            self._started.add(future)
            future.add_done_callback(self._finished)

    def finish(self, timeout: float) -> None:
        """Wait for the jobs that were started, for at most `timeout` seconds."""
        wait(list(self._started), timeout)

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

    def _submit(
        self, jobs: Iterable[Coroutine[Any, Any, object]]
    ) -> Iterator["Future[BaseException | None]"]:
        loop, rest = self._running_loop(), iter(jobs)
        while some := list(islice(rest, TOGETHER)):
            yield asyncio.run_coroutine_threadsafe(_together(some), loop)

    def _finished(self, future: "Future[BaseException | None]") -> None:
        self._started.discard(future)
        if not future.cancelled() and (error := future.result()):
            log.error("A Delivery with attachments was not recorded: %s", told(error))

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = uvloop.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="channels", daemon=True)
                self._thread.start()
            return self._loop


async def _together(jobs: Sequence[Coroutine[Any, Any, object]]) -> BaseException | None:
    """Run them; the first of their errors, once all are done."""
    results = await asyncio.gather(*jobs, return_exceptions=True)
    return next((result for result in results if isinstance(result, BaseException)), None)
