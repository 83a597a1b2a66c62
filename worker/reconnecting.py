"""How a worker comes back to a broker that was away: within seconds, however long that was.

With Celery's defaults a worker waits two seconds longer at each try, up to half a minute; and one that
loses its broker while entries are unacknowledged may end with an AttributeError, since kombu gives those
back through a connection that it has let go already (celery/kombu#582).
"""

from typing import Any

from celery.app.amqp import AMQP
from kombu.connection import Connection
from kombu.transport import redis

from worker.lanes import ALONE, lane_of

#: Seconds between two tries to reach the broker.
RECONNECT_SECONDS = 1


class ReconnectingChannel(redis.Channel):
    """Gives nothing back through a connection that is gone; the broker gives it to another in time."""

    @property
    def is_cut_off(self) -> bool:
        """Whether its connection was let go: then the broker knows nothing of it any more."""
        return self.connection is None or self.connection.client is None

    def close(self) -> None:
        """Close it; harmless after its connection was let go."""
        if self.is_cut_off:
            self.do_restore = False
        super().close()  # type: ignore[no-untyped-call]


class ReconnectingConnection(Connection):
    """Tries again at an even pace."""

    def ensure_connection(self, *arguments: Any, **options: Any) -> Any:
        """As kombu's; the pace is one try each `RECONNECT_SECONDS`, unless told otherwise."""
        pace = {"interval_start": RECONNECT_SECONDS, "interval_step": 0, "interval_max": RECONNECT_SECONDS}
        return super().ensure_connection(*arguments, **pace | options)  # type: ignore[no-untyped-call]


class ReconnectingAMQP(AMQP):  # type: ignore[misc]  # Celery ships no types
    """Has an app's connections be of that kind, and a worker's first consumer keep to its lane."""

    Connection = ReconnectingConnection

    def TaskConsumer(self, channel: Any, queues: Any = None, **options: Any) -> Any:  # noqa: N802 - Celery's
        """Without `queues`: the consumer of a worker."""
        if queues is None:
            queues = [queue for name, queue in self.queues.consume_from.items() if lane_of(name) is ALONE]
        return self.Consumer(channel, accept=self.app.conf.accept_content, queues=queues, **options)
