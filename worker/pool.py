"""Celery's pool of threads: some for each lane, and when it is to stop, what they do ends in time."""

import logging
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from celery.concurrency.base import apply_target
from celery.concurrency.thread import ApplyResult, TaskPool

from worker.lanes import BESIDE, lane_of
from worker.quiet import is_quiet

log = logging.getLogger(__name__)

#: Seconds in which a thread that was given something gets hold of Python's lock. A mere `sleep(0)` mostly has
#: the lock again before that thread is awake.
_GIVE_WAY = 0.00002


class EndingPool(TaskPool):  # type: ignore[misc]  # Celery ships no types
    """However a worker is stopped (a signal, `celery control shutdown`), its pool is told so."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._beside = {
            lane: ThreadPoolExecutor(lane.threads(self.limit), thread_name_prefix=lane.name)
            for lane in BESIDE
        }

    def on_apply(
        self,
        target: Any,
        args: Any = None,
        kwargs: Any = None,
        callback: Any = None,
        accept_callback: Any = None,
        **_: Any,
    ) -> ApplyResult:
        """Run a task by a thread of its lane. `args`: name, id and request, as Celery has them."""
        lane = lane_of(args[2]["delivery_info"]["routing_key"])
        threads: Any = self._beside.get(lane, self.executor)
        future = threads.submit(apply_target, target, args, kwargs, callback, accept_callback)
        if is_quiet():
            time.sleep(_GIVE_WAY)  # this thread, Celery's consumer, can wait
        return ApplyResult(future)

    def on_close(self) -> None:
        """Nothing new is to be begun."""
        self.app.stop_working()

    def on_stop(self) -> None:
        """Wait for the threads, which now end."""
        self.app.stop_working()
        for threads in self._beside.values():
            threads.shutdown(wait=False, cancel_futures=True)
        super().on_stop()
        for threads in self._beside.values():
            threads.shutdown()

    def terminate_job(self, pid: int, signal: Any = None) -> None:  # noqa: ARG002 - Celery's signature
        """End a task at once (SIGQUIT): a thread cannot be killed, but what it waits for can be cut off."""
        self.app.stop_working(at_once=True)


class LastResort:
    """Ends the process `seconds` after it was told to stop, should anything still hang.

    Nothing is lost by that: leases run out, and what was held of the queues is put back by another worker.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds, self._told = seconds, threading.Event()
        self._thread = threading.Thread(target=self._run, name="last resort", daemon=True)

    def start(self) -> None:
        """Be ready, once; a signal handler may not start threads."""
        if not self._thread.is_alive():
            self._thread.start()

    def tell(self) -> None:
        """Begin to count."""
        self._told.set()

    def _run(self) -> None:
        self._told.wait()
        time.sleep(self._seconds)
        log.warning("Not everything ended within %g s; it is left to the other workers.", self._seconds)
        logging.shutdown()
        os._exit(0)
