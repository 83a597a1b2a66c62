"""Goes its rounds: sweeps and reconciles every second, in every worker. No beat, no single point."""

import logging
import random
import threading
import time
from collections.abc import Callable

from messages.errors import StoreUnavailable
from tasks.parts import Parts
from tasks.reconcile import reconcile
from tasks.sweep import sweep

log = logging.getLogger(__name__)

Round = Callable[[Parts], object]

#: Each in a thread of its own, since a provider that is slow to say what it has must not hold up the sweep.
ROUNDS: tuple[Round, ...] = (sweep, reconcile)


class Rounds:
    """Goes each round every `every` seconds, a little irregularly, so that many workers spread out."""

    def __init__(self, parts: Parts, every: float = 1.0) -> None:
        self._parts, self.every = parts, every
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(go,), name=go.__name__, daemon=True) for go in ROUNDS
        ]

    def start(self) -> None:
        """Begin, once."""
        for thread in self._threads:
            if not thread.is_alive():
                thread.start()

    def stop(self, timeout: float = 5) -> None:
        """End after the present rounds, waiting at most `timeout` seconds."""
        self._stopping.set()
        end = time.monotonic() + timeout
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0, end - time.monotonic()))

    def _run(self, go: Round) -> None:
        known: str | None = None
        while not self._stopping.wait(self.every * random.uniform(0.7, 1.3)):  # noqa: S311 - no secret
            trouble = self._round(go)
            if trouble and trouble != known:  # said once, not every second
                log.warning("No %s: %s", go.__name__, trouble)
            elif known and not trouble:
                log.warning("The %s goes on again.", go.__name__)
            known = trouble

    def _round(self, go: Round) -> str | None:
        """One round; returns what was in its way."""
        try:
            go(self._parts)
        except StoreUnavailable as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - a round that fails must not be the last
            return f"a bug ({type(error).__name__})"  # its text may hold data
        return None
