"""Goes its round: sweeps every second, in a thread of every worker. No beat, no single point."""

import logging
import random
import threading

from messages.errors import StoreUnavailable
from tasks.parts import Parts
from tasks.sweep import sweep

log = logging.getLogger(__name__)


class Rounds:
    """Sweeps every `every` seconds, a little irregularly, so that many workers spread out."""

    def __init__(self, parts: Parts, every: float = 1.0) -> None:
        self._parts, self.every = parts, every
        self._trouble: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rounds", daemon=True)

    def start(self) -> None:
        """Begin, once."""
        if not self._thread.is_alive():
            self._thread.start()

    def stop(self, timeout: float = 5) -> None:
        """End after the present round, waiting at most `timeout` seconds."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopping.wait(self.every * random.uniform(0.7, 1.3)):  # noqa: S311 - no secret
            trouble = self._round()
            if trouble and trouble != self._trouble:  # said once, not every second
                log.warning("No sweep: %s", trouble)
            elif self._trouble and not trouble:
                log.warning("Sweeping again.")
            self._trouble = trouble

    def _round(self) -> str | None:
        """One round; returns what was in its way."""
        try:
            sweep(self._parts)
        except StoreUnavailable as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - a round that fails must not be the last
            return f"a bug ({type(error).__name__})"  # its text may hold data
        return None
