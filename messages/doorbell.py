"""The doorbell: tells workers which Deliveries wait. It carries ids, and may fail: the sweep rings again."""

import logging
from collections import defaultdict
from collections.abc import Iterable
from itertools import islice
from typing import Any, Protocol

import orjson

from messages.clock import Clock, system_clock
from messages.delivery import Channel
from messages.queues import IDS_PER_TASK, RUNG_AT, SEND_QUEUES, SEND_TASKS

log = logging.getLogger(__name__)


class TaskSender(Protocol):
    """What the doorbell needs of a Celery app."""

    def send_task(self, name: str, *, args: list[Any], queue: str, headers: dict[str, Any]) -> Any:
        """Publish one task."""

    def connection_or_acquire(self) -> Any:
        """A kombu connection, as a context manager."""


class Doorbell:
    """Publishes `tasks.send_sms([ids])` and `tasks.send_email([ids])`, up to fifty ids a task."""

    def __init__(self, app: TaskSender, clock: Clock = system_clock) -> None:
        self._app, self._clock = app, clock

    def ring(self, waiting: Iterable[tuple[str, Channel]]) -> bool:
        """Enqueue these Deliveries. False when the broker could not be reached: nothing is lost by that."""
        by_channel: dict[Channel, list[str]] = defaultdict(list)
        for delivery_id, channel in waiting:
            by_channel[channel].append(delivery_id)
        try:
            for channel, ids in by_channel.items():
                self._publish(channel, iter(ids))
        except Exception as error:  # noqa: BLE001 - kombu and redis raise many; all mean "not rung"
            log.warning(
                "The broker did not take a task (%s); the sweep will ring again.", type(error).__name__
            )
            return False
        return True

    def _publish(self, channel: Channel, ids: Iterable[str]) -> None:
        rest = iter(ids)
        while group := list(islice(rest, IDS_PER_TASK)):
            self._app.send_task(
                SEND_TASKS[channel],
                args=[group],
                queue=SEND_QUEUES[channel],
                headers={RUNG_AT: self._clock()},
            )

    def ping(self) -> None:
        """Raise whatever the broker's client raises, unless the broker answers."""
        with self._app.connection_or_acquire() as connection:
            connection.default_channel.client.ping()

    def waiting(self, channel: Channel) -> int:
        """How many tasks wait on the channel's queue. Raises like `ping`."""
        with self._app.connection_or_acquire() as connection:
            return int(connection.default_channel.client.llen(SEND_QUEUES[channel]))

    def next_since(self, channel: Channel) -> int | None:
        """When the task that is next on the channel's queue was enqueued; None: the queue is empty.

        0 where that cannot be known. Raises like `ping`.
        """
        with self._app.connection_or_acquire() as connection:
            entry = connection.default_channel.client.lindex(SEND_QUEUES[channel], -1)
        return None if entry is None else _rung_at(entry)


def _rung_at(entry: bytes) -> int:
    try:
        return int(orjson.loads(entry)["headers"][RUNG_AT])
    except (ValueError, TypeError, LookupError):  # not ours: anybody can put something on a queue
        return 0
