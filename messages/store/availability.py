"""Whether the store is available, as the log tells it: each cause once, however many Messages meet it."""

import logging
import threading
import time

log = logging.getLogger(__name__)

#: Seconds without a failure after which the store counts as available again. Where only some of the
#: statements fail, others succeed in between.
_CALM_SECONDS = 5.0


class Availability:
    """What is in the store's way, of one process. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._causes: set[str] = set()
        self.failed_at = float("-inf")  #: when something failed last, by time.monotonic()

    def failed(self, cause: str) -> None:
        """Log this cause, unless that was done since the store was last available."""
        with self._lock:
            self.failed_at = time.monotonic()
            if cause in self._causes:
                return
            self._causes.add(cause)
        log.error("%s%s", cause[:1].upper(), cause[1:])

    def has_failed_within(self, seconds: float) -> bool:
        """Whether something failed in the last `seconds`."""
        return time.monotonic() - self.failed_at < seconds

    def succeeded(self) -> None:
        """Log that the store is available again, once nothing has failed for a while."""
        if not self._causes:  # nearly always
            return
        with self._lock:
            if not self._causes or time.monotonic() - self.failed_at < _CALM_SECONDS:
                return
            self._causes.clear()
        log.warning("The store is available again.")
