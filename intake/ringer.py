"""Rings the doorbell behind the requests' backs: an answer never waits for the broker."""

import queue
import threading
from collections.abc import Sequence

from messages.delivery import Lane
from messages.doorbell import Doorbell

Delivery = tuple[str, Lane]

#: What was accepted together, with the time of its ring, as the store has it.
Noted = tuple[Sequence[Delivery], int]

#: From so many Deliveries on, a ring waits for no more.
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

    def ring(self, waiting: Sequence[Delivery], rung_at: int) -> None:
        """Have these enqueued soon; returns at once. `rung_at`: the time of that, as the store has it.

        What was accepted together is given together: a task costs as much for one id as for many.
        """
        if waiting:
            self._accepted.put((waiting, rung_at))

    def close(self, timeout: float = 3) -> None:
        """Ring for what is left, for at most `timeout` seconds."""
        self._accepted.put(None)
        self._thread.join(timeout)

    def _run(self) -> None:
        while (first := self._accepted.get()) is not None:
            gathered, last = self._gather(first)
            self._doorbell.ring(
                [delivery for waiting, _ in gathered for delivery in waiting], min(at for _, at in gathered)
            )
            if last:
                return

    def _gather(self, first: Noted) -> tuple[list[Noted], bool]:
        """All that is there now, and whether the end is among it."""
        gathered, count = [first], len(first[0])
        while count < MAX_RING:
            try:
                noted = self._accepted.get_nowait()
            except queue.Empty:
                break
            if noted is None:
                return gathered, True
            gathered.append(noted)
            count += len(noted[0])
        return gathered, False
