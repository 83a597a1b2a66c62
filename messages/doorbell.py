"""The doorbell: tells workers which Deliveries wait. It carries ids, and may fail: the sweep rings again."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, Protocol
from uuid import uuid4

import orjson
from redis import ConnectionError as LostConnection

from messages.clock import Clock, system_clock
from messages.delivery import Lane
from messages.queues import IDS_PER_TASK, RUNG_AT, SEND_TASKS

log = logging.getLogger(__name__)

#: So much may the clock of whoever enqueued a task be ahead of ours, in ms. What says more does not count.
MOST_AHEAD = 1000


class Broker(Protocol):
    """What the doorbell needs of a Celery app."""

    def connection_or_acquire(self) -> Any:
        """A kombu connection of its pool, as a context manager."""

    def connection_for_write(self) -> Any:
        """A kombu connection for whoever asks."""


class Doorbell:
    """Publishes `tasks.send_sms([ids])` and `tasks.send_email([ids])`, up to IDS_PER_TASK a task, by lane.

    As entries of Celery's protocol, version 2, in kombu's envelope, and all of a lane in one command:
    Celery's own way takes almost three times as long, and its entries have twice the bytes. `in_haste`: by
    a connection of its own, to be closed; see `_own`.
    """

    def __init__(self, app: Broker, clock: Clock = system_clock, *, in_haste: bool = False) -> None:
        self._app, self._clock, self._in_haste = app, clock, in_haste

    def ring(self, waiting: Iterable[tuple[str, Lane]], rung_at: int | None = None) -> bool:
        """Enqueue these Deliveries. False when the broker could not be reached: nothing is lost by that.

        `rung_at`: what the store has for the time of this, at the earliest. None: it was only just noted.
        """
        by_lane: dict[Lane, list[str]] = defaultdict(list)
        for delivery_id, lane in waiting:
            by_lane[lane].append(delivery_id)
        at = self._clock() if rung_at is None else rung_at
        try:
            for lane in sorted(by_lane, key=lambda lane: lane.bulk):  # what is alone first
                self._push(lane, _entries(lane, by_lane[lane], at))
        except Exception as error:  # noqa: BLE001 - kombu and redis raise many; all mean "not rung"
            log.warning(
                "The broker did not take a task (%s); the sweep will ring again.", type(error).__name__
            )
            return False
        return True

    def close(self) -> None:
        """Close the connection of its own."""
        self._in_haste = False
        if "_own" in self.__dict__:
            self._own.close()

    def _push(self, lane: Lane, entries: Iterable[bytes]) -> None:
        if self._in_haste:
            self._push_in_haste(lane.value, *entries)
            return
        with self._app.connection_or_acquire() as connection:
            connection.default_channel.client.lpush(lane.value, *entries)

    def _push_in_haste(self, lane: str, *entries: bytes) -> None:
        try:
            self._client.lpush(lane, *entries)
        except LostConnection:  # the broker has closed it since: it is opened anew
            self._client.lpush(lane, *entries)

    @cached_property
    def _own(self) -> Any:
        """A connection that nobody else has.

        The pool looks at each that it gives whether it is still there. Python's lock is let go for that, and
        the thread that answers the request takes it before the ring is out.
        """
        return self._app.connection_for_write()

    @cached_property
    def _client(self) -> Any:
        return self._own.default_channel.client.client()

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

    def next_since(self, lanes: Sequence[Lane]) -> dict[Lane, int | None]:
        """When the task that is next in each lane was enqueued; None: nothing is in it.

        0 where that cannot be known. Raises like `ping`.
        """
        with self._app.connection_or_acquire() as connection:
            pipe = connection.default_channel.client.pipeline(transaction=False)
            for lane in lanes:
                pipe.lindex(lane.value, -1)
            entries = pipe.execute()
        latest = self._clock() + MOST_AHEAD
        return {
            lane: None if entry is None else _rung_at(entry, latest)
            for lane, entry in zip(lanes, entries, strict=True)
        }


def _entries(lane: Lane, ids: Sequence[str], rung_at: int) -> Iterator[bytes]:
    """Tasks, each for some of the ids."""
    where = {"exchange": lane.value, "routing_key": lane.value}
    for start in range(0, len(ids), IDS_PER_TASK):
        arguments: tuple[object, ...] = [ids[start : start + IDS_PER_TASK]], {}, {}
        task_id = str(uuid4())
        entry = {
            "body": orjson.dumps(arguments).decode(),
            "content-type": "application/json",
            "content-encoding": "utf-8",
            "headers": {"lang": "py", "task": SEND_TASKS[lane.channel], "id": task_id, RUNG_AT: rung_at},
            "properties": {"delivery_tag": task_id, "delivery_info": where, "priority": 0},
        }
        yield orjson.dumps(entry)


def _rung_at(entry: bytes, latest: int) -> int:
    try:
        rung_at = int(orjson.loads(entry)["headers"][RUNG_AT])
    except (ArithmeticError, ValueError, TypeError, LookupError):
        return 0  # not ours: anybody can put something on a queue
    return rung_at if 0 <= rung_at <= latest else 0
