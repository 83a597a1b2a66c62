"""The doorbell: tells workers which Deliveries wait. It carries ids, and may fail: the sweep rings again."""

import logging
from collections import defaultdict
from collections.abc import Iterable
from itertools import islice
from typing import Any, Protocol

import orjson

from messages.clock import Clock, system_clock
from messages.delivery import Lane
from messages.queues import IDS_PER_TASK, RUNG_AT, SEND_TASKS

log = logging.getLogger(__name__)

#: So much may the clock of whoever enqueued a task be ahead of ours, in ms. What says more does not count.
MOST_AHEAD = 1000


class TaskSender(Protocol):
    """What the doorbell needs of a Celery app."""

    def send_task(self, name: str, *, args: list[Any], queue: str, headers: dict[str, Any]) -> Any:
        """Publish one task."""

    def connection_or_acquire(self) -> Any:
        """A kombu connection, as a context manager."""


class Doorbell:
    """Publishes `tasks.send_sms([ids])` and `tasks.send_email([ids])`, up to fifty ids a task, by lane."""

    def __init__(self, app: TaskSender, clock: Clock = system_clock) -> None:
        self._app, self._clock = app, clock

    def ring(self, waiting: Iterable[tuple[str, Lane]], rung_at: int | None = None) -> bool:
        """Enqueue these Deliveries. False when the broker could not be reached: nothing is lost by that.

        `rung_at`: what the store has for the time of this, at the earliest. None: it was only just noted.
        """
        by_lane: dict[Lane, list[str]] = defaultdict(list)
        for delivery_id, lane in waiting:
            by_lane[lane].append(delivery_id)
        try:
            for lane in sorted(by_lane, key=lambda lane: lane.bulk):  # what is alone first
                self._publish(lane, by_lane[lane], rung_at)
        except Exception as error:  # noqa: BLE001 - kombu and redis raise many; all mean "not rung"
            log.warning(
                "The broker did not take a task (%s); the sweep will ring again.", type(error).__name__
            )
            return False
        return True

    def _publish(self, lane: Lane, ids: Iterable[str], rung_at: int | None) -> None:
        rest = iter(ids)
        while group := list(islice(rest, IDS_PER_TASK)):
            self._app.send_task(
                SEND_TASKS[lane.channel],
                args=[group],
                queue=lane.value,
                headers={RUNG_AT: self._clock() if rung_at is None else rung_at},
            )

    def ping(self) -> None:
        """Raise whatever the broker's client raises, unless the broker answers."""
        with self._app.connection_or_acquire() as connection:
            connection.default_channel.client.ping()

    def time(self) -> int:
        """The broker's clock, in ms since the epoch. Raises like `ping`."""
        with self._app.connection_or_acquire() as connection:
            seconds, microseconds = connection.default_channel.client.time()
        return int(seconds) * 1000 + int(microseconds) // 1000

    def waiting(self, lane: Lane) -> int:
        """How many tasks wait in the lane. Raises like `ping`."""
        with self._app.connection_or_acquire() as connection:
            return int(connection.default_channel.client.llen(lane.value))

    def next_since(self, lane: Lane) -> int | None:
        """When the task that is next in the lane was enqueued; None: nothing is in it.

        0 where that cannot be known. Raises like `ping`.
        """
        with self._app.connection_or_acquire() as connection:
            entry = connection.default_channel.client.lindex(lane.value, -1)
        return None if entry is None else _rung_at(entry, self._clock() + MOST_AHEAD)


def _rung_at(entry: bytes, latest: int) -> int:
    try:
        rung_at = int(orjson.loads(entry)["headers"][RUNG_AT])
    except (ArithmeticError, ValueError, TypeError, LookupError):
        return 0  # not ours: anybody can put something on a queue
    return rung_at if 0 <= rung_at <= latest else 0
