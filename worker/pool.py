"""Celery's pool of threads, which when it is to stop has what its threads do end in time."""

import logging
import os
import threading
import time
from typing import Any

from celery.concurrency.thread import TaskPool

log = logging.getLogger(__name__)


class EndingPool(TaskPool):  # type: ignore[misc]  # Celery ships no types
    """However a worker is stopped (a signal, `celery control shutdown`), its pool is told so."""

    def on_close(self) -> None:
        """Nothing new is to be begun."""
        self.app.stop_working()

    def on_stop(self) -> None:
        """Wait for the threads, which now end."""
        self.app.stop_working()
        super().on_stop()

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
