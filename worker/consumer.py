"""Celery's consumer, which takes tasks under a new name with each connection: see `worker.held`."""

from typing import Any

from worker.malformed import TolerantConsumer


class NamedConsumer(TolerantConsumer):
    """Shows life before it takes anything."""

    def connect(self) -> Any:
        """Connect, under a new name."""
        self.app.held.begin_anew()
        connection = super().connect()
        self.app.held.show_life(connection.default_channel.client)
        return connection
