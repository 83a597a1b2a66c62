"""Celery's consumer, which takes tasks under a new name with each connection: see `worker.held`."""

import time
from typing import Any

from worker.malformed import TolerantConsumer

#: Seconds that what Flower is told of tasks waits for more of it: a publication costs what some e-mails do.
EVENTS_TOGETHER = 0.2


class NamedConsumer(TolerantConsumer):
    """Shows life before it takes anything, and tells of tasks some at a time."""

    _told_until = 0.0

    def connect(self) -> Any:
        """Connect, under a new name."""
        self.app.held.begin_anew()
        connection = super().connect()
        self.app.held.show_life(connection.default_channel.client)
        return connection

    def _flush_events(self) -> None:
        """Celery's, called after each event, on the thread of the hub."""
        now = time.monotonic()
        if now >= self._told_until:
            self._told_until = now + EVENTS_TOGETHER
            self.hub.call_later(EVENTS_TOGETHER, super()._flush_events)
