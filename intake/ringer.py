"""Rings the doorbell behind the requests' backs: an answer never waits for the broker."""

import queue
import threading
from collections.abc import Iterable

from messages.delivery import Lane
from messages.doorbell import Doorbell

Delivery = tuple[str, Lane]

#: With the time of its ring, as the store has it.
Noted = tuple[Delivery, int]

#: The most Deliveries that go into one ring.
MAX_RING = 5000


class Ringer:
    """One thread that enqueues what was accepted, all that has gathered at a time.

    What it does not get to (the broker is down, the process is killed) the sweep finds.
    """

    def __init__(self, doorbell: Doorbell) -> None:
        self._doorbell = doorbell
        self._accepted: queue.SimpleQueue[Noted | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="ringer", daemon=True)
        self._thread.start()

    def ring(self, waiting: Iterable[Delivery], rung_at: int) -> None:
        """Have these enqueued soon; returns at once. `rung_at`: the time of that, as the store has it."""
        for delivery in waiting:
            self._accepted.put((delivery, rung_at))

    def close(self, timeout: float = 3) -> None:
        """Ring for what is left, for at most `timeout` seconds."""
        self._accepted.put(None)
        self._thread.join(timeout)

    def _run(self) -> None:
        while (first := self._accepted.get()) is not None:
            gathered, last = self._gather(first)
            self._doorbell.ring([w for w, _ in gathered], min(at for _, at in gathered))
            if last:
                return

    def _gather(self, first: Noted) -> tuple[list[Noted], bool]:
        """All that is there now, and whether the end is among it."""
        gathered = [first]
        while len(gathered) < MAX_RING:
            try:
                delivery = self._accepted.get_nowait()
            except queue.Empty:
                break
            if delivery is None:
                return gathered, True
            gathered.append(delivery)
        return gathered, False
