"""Goes its rounds: every second, in every worker. No beat, no single point."""

import logging
import random
import threading
import time
from collections.abc import Callable

from messages.errors import StoreUnavailable
from tasks.clocks import ClockAstray
from tasks.parts import Parts
from tasks.reconcile import reconcile
from tasks.sweep import sweep
from worker.held import BrokerAwayError

log = logging.getLogger(__name__)

Round = Callable[[], object]


class Rounds:
    """Sweep, reconcile and `others`, each every `every` seconds, a little irregularly: many spread out.

    Each in a thread of its own, since a provider that is slow to say what it has must not hold up the sweep.
    """

    def __init__(self, parts: Parts, *others: Round, every: float = 1.0) -> None:
        self.every = every
        self.stopping = threading.Event()  #: set: no new round is begun
        rounds: dict[str, Round] = {
            "sweep": lambda: sweep(parts),
            "reconcile": lambda: reconcile(parts),
            **{other.__name__: other for other in others},
        }
        self._threads = [
            threading.Thread(target=self._run, args=(name, go), name=name, daemon=True)
            for name, go in rounds.items()
        ]

    def start(self) -> None:
        """Begin, once."""
        for thread in self._threads:
            if not thread.is_alive():
                thread.start()

    def stop(self, timeout: float = 2) -> None:
        """End after the present rounds, waiting at most `timeout` seconds."""
        self.stopping.set()
        end = time.monotonic() + timeout
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0, end - time.monotonic()))

    def _run(self, name: str, go: Round) -> None:
        known: str | None = None
        while not self.stopping.wait(self.every * random.uniform(0.7, 1.3)):  # noqa: S311 - no secret
            trouble = self._round(go)
            if trouble and trouble != known:  # said once, not every second
                log.warning("No %s: %s", name, trouble)
            elif known and not trouble:
                log.warning("The %s goes on again.", name)
            known = trouble

    def _round(self, go: Round) -> str | None:
        """One round; returns what was in its way."""
        try:
            go()
        except StoreUnavailable:  # the store's own line in the log names the cause
            return None
        except (BrokerAwayError, ClockAstray) as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - a round that fails must not be the last
            return f"a bug ({type(error).__name__})"  # its text may hold data
        return None
