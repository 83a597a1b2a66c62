"""What workers have taken of the queues and not acknowledged; and what dead workers left of it.

kombu keeps all of it in one hash, and gives a dead worker's back after a time-out, since nobody knows
whose is whose. Here every connection of a worker has a hash of its own, and shows every second that it
lives. Whoever sees one show nothing for a while puts what it held back on the queues. If that one was
only slow, a task runs twice, which changes nothing.
"""

import json
import logging
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any
from uuid import uuid4

from kombu.exceptions import OperationalError
from redis import RedisError, ResponseError

from messages.queue_entries import deaths_of
from messages.queues import ALL_QUEUES, DEATHS, ENTRANCES, INTAKE_QUEUE

#: Told of processes that died; may raise StoreUnavailable, and is then told again.
Bury = Callable[[Collection[str]], None]

log = logging.getLogger(__name__)

#: A worker that shows no life for so long is dead, in seconds.
DEAD_AFTER = 4.0

#: A hash of the workers that run: a number that each of them counts up.
WORKERS_KEY = "roundsman.workers"
HELD_KEY = "unacked.{}"


class BrokerAwayError(Exception):
    """The broker did not answer. Whatever kombu or redis raised says no more than that here."""


class Held:
    """What this worker holds, and its watch over the others. `app`: the Celery app."""

    def __init__(self, app: Any, bury: Bury = lambda _: None, dead_after: float = DEAD_AFTER) -> None:
        self._app, self._name, self._beats, self._dead_after = app, "", 0, dead_after
        self._bury = bury
        self.process: str | None = None  #: the part of its names that stays the same
        #: Of the others: what they showed last, and since when that is so, by time.monotonic().
        self._seen: dict[bytes, tuple[bytes, float]] = {}

    def begin_anew(self) -> None:
        """Hold what comes by the next connection apart: what came by the last one is given up."""
        self.process = self.process or uuid4().hex
        self._name = f"{self.process}.{uuid4().hex}"
        options = {**self._app.conf.broker_transport_options, **_keys(self._name)}
        self._app.conf.broker_transport_options = options

    def show_life(self, client: Any) -> None:
        """Once a second at least."""
        self._beats += 1
        client.hset(WORKERS_KEY, self._name, self._beats)

    def look_after(self) -> int:
        """Show life, and put back what the dead held; returns how many tasks that were.

        Raises BrokerAwayError, StoreUnavailable.
        """
        try:
            restored = self._look_after()
        except (OSError, RedisError, OperationalError) as error:
            raise BrokerAwayError(f"the broker does not answer ({type(error).__name__})") from None
        if restored:
            log.warning("A worker died or lost the broker; %d tasks that it held are queued again.", restored)
        return restored

    def _look_after(self) -> int:
        with self._app.connection_or_acquire() as connection:
            client = connection.default_channel.client
            self.show_life(client)
            dead = self._silent(client.hgetall(WORKERS_KEY), time.monotonic())
            if gone := self._gone(dead):
                self._bury(gone)  # first: if the store is away, all of it is done later
            return _restore_all(client, dead)

    def leave(self) -> None:
        """Take leave: nothing is held any more."""
        with self._app.connection_or_acquire() as connection:
            client = connection.default_channel.client
            _restore(client, self._name, died=False)

    def _gone(self, dead: list[str]) -> set[str]:
        """The processes that show life under no other name: else it only lost its connection."""
        living = {_process(name.decode()) for name in self._seen if name.decode() not in dead}
        return {_process(name) for name in dead} - living

    def _silent(self, beats: Mapping[bytes, bytes], now: float) -> list[str]:
        """Those that showed the same for too long; by our own clock, for there may be others."""
        self._seen = {
            name: self._seen[name] if self._seen.get(name, (b"",))[0] == beat else (beat, now)
            for name, beat in beats.items()
        }
        silent = (name.decode() for name, (_, since) in self._seen.items() if now - since > self._dead_after)
        return [name for name in silent if name != self._name]


def _process(name: str) -> str:
    return name.partition(".")[0]


def _keys(name: str) -> dict[str, str]:
    return {
        "unacked_key": HELD_KEY.format(name),
        "unacked_index_key": f"unacked_index.{name}",
        "unacked_mutex_key": f"unacked_mutex.{name}",
    }


def _restore_all(client: Any, names: list[str]) -> int:
    """What one of them left may be in the way of itself, but of no other. Raises ResponseError at the end."""
    restored, trouble = 0, None
    for name in names:
        try:
            restored += _restore(client, name, died=True)
        except ResponseError as error:
            trouble = error
    if trouble:
        raise trouble
    return restored


def _restore(client: Any, name: str, *, died: bool) -> int:
    """Put it all back, to where it is next; nobody else does at the same time."""
    keys = _keys(name)

    def put_back(pipe: Any) -> int:
        held = pipe.hvals(keys["unacked_key"])
        pipe.multi()
        for entry in held:
            pipe.rpush(*_as_it_was(entry, deaths=int(died)))
        pipe.delete(*keys.values())
        pipe.hdel(WORKERS_KEY, name)
        return len(held)

    restored: int = client.transaction(put_back, keys["unacked_key"], value_from_callable=True)
    return restored


def _as_it_was(entry: bytes, *, deaths: int) -> tuple[str, bytes]:
    """The queue, and what was on it, of an entry as kombu keeps it.

    At the queue entrance deaths are counted, for what ends every worker that takes it must not go on for
    ever. Lists of ids need no count: each claim counts, and what was given back is claimed before anything
    else is done.

    By kombu's own kind of JSON: others stumble over NaN, half a surrogate pair or deep nesting. What cannot
    be read even so goes to the queue entrance as it is, which refuses it and keeps it.
    """
    try:
        message, _, queue = json.loads(entry)
        queue = queue if queue in ALL_QUEUES else INTAKE_QUEUE
        if queue in ENTRANCES and deaths:
            message["headers"] = headers = message.get("headers") or {}
            headers[DEATHS] = deaths_of(headers) + deaths
        elif queue not in ENTRANCES:
            message["properties"]["delivery_info"]["redelivered"] = True  # as kombu does
        return queue, json.dumps(message).encode()
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError):
        return INTAKE_QUEUE, entry
