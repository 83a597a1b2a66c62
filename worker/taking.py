"""Taking from queues, many at a time: a round trip to the broker for each task would be most of its cost.

kombu makes three for each: to take it, to note that it is held, to note that it is done. Here, once one
was taken, those behind it are taken as well, as many as there is room for, and noted in the same step;
and what is done is noted once in each turn of the worker's loop. What comes alone, and is known to the store
besides, is noted only if it is still held after a moment: mostly it is let go by then.
"""

import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from kombu.asynchronous import get_event_loop
from kombu.transport import redis, virtual
from kombu.utils.json import dumps
from redis import RedisError
from redis.commands.core import Script

from messages.delivery import Lane
from worker.reconnecting import ReconnectingChannel

#: Bytes of entries that are held at a time, and that are looked at: one more is taken only below that.
MAX_HELD_BYTES = 64_000_000
MAX_SEEN_BYTES = 1_000_000

#: Seconds after which what came alone is noted; and after which that is tried again. Should it be lost
#: before, the sweep enqueues it again, which for what is alone is as fast as to give back what was noted.
NOTED_AFTER, NOTED_AGAIN_AFTER = 0.02, 1

#: The queues where what comes alone is known to the store.
_IN_STORE = frozenset(lane for lane in Lane if not lane.bulk)

#: The oldest of a queue, so many, and so many bytes.
_SEE = """
local seen, bytes = {}, 0
for i = 1, tonumber(ARGV[1]) do
    local entry = redis.call('LINDEX', KEYS[1], -i)
    if not entry then break end
    bytes = bytes + #entry
    if bytes > tonumber(ARGV[2]) then break end
    seen[i] = entry
end
return seen
"""

#: Takes those that are still the oldest, and notes each that has a tag. What is not there any more,
#: another worker took: then so are those before it.
_TAKE = """
local taken = 0
for i = 2, #ARGV, 3 do
    if redis.call('LINDEX', KEYS[1], -1) ~= ARGV[i] then break end
    redis.call('RPOP', KEYS[1])
    if ARGV[i + 1] ~= '' then
        redis.call('ZADD', KEYS[3], ARGV[1], ARGV[i + 1])
        redis.call('HSET', KEYS[2], ARGV[i + 1], ARGV[i + 2])
    end
    taken = taken + 1
end
return taken
"""


class TakingQoS(redis.QoS):
    """What a channel has taken and not acknowledged, noted at the broker."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)  # type: ignore[no-untyped-call]
        self._noted: set[str] = set()  #: at the broker, and not delivered yet
        self._to_note: dict[str, Any] = {}  #: delivered, and not noted yet; threads of tasks take from it
        self._done: deque[str] = deque()  #: and not noted at the broker; threads of tasks append to it
        self._bytes: dict[str, int] = {}

    def can_consume(self) -> bool:
        """Whether there is room for one more."""
        return bool(super().can_consume()) and sum(self._bytes.values()) < MAX_HELD_BYTES  # type: ignore[no-untyped-call]

    def take(self, queue: str, entries: Sequence[tuple[bytes, Any]]) -> int:
        """Take these of the queue, and note those that are messages, not None; returns how many were."""
        arguments: list[Any] = [time.time()]
        tags = []
        for entry, message in entries:
            tags.append("" if message is None else message["properties"]["delivery_tag"])
            arguments += [entry, tags[-1], "" if message is None else _held(message)]
        with self.channel.conn_or_acquire() as client:
            keys = [queue, self.unacked_key, self.unacked_index_key]
            taken = int(Script(client, _TAKE)(keys, arguments))
        self._noted.update(filter(None, tags[:taken]))
        return taken

    def append(self, message: Any, delivery_tag: str) -> None:
        """It is delivered now."""
        self._bytes[delivery_tag] = len(message.body or "")
        if delivery_tag in self._noted:
            self._noted.discard(delivery_tag)
            virtual.QoS.append(self, message, delivery_tag)  # type: ignore[no-untyped-call]
        elif self.channel.comes_alone and self.channel.is_stored and (loop := get_event_loop()):
            held = _held(message._raw)  # noqa: SLF001 - as kombu; what is malformed is found now
            virtual.QoS.append(self, message, delivery_tag)  # type: ignore[no-untyped-call]
            if not self._to_note:
                loop.call_later(NOTED_AFTER, self.note)  # type: ignore[no-untyped-call]
            self._to_note[delivery_tag] = held
        else:
            super().append(message, delivery_tag)  # type: ignore[no-untyped-call]

    def note(self) -> None:
        """Note what is held and was not noted yet."""
        held = dict(self._to_note)
        if not held or self.channel.is_cut_off:
            return
        try:
            with self.pipe_or_acquire() as pipe:
                pipe.zadd(self.unacked_index_key, dict.fromkeys(held, time.time()))
                pipe.hset(self.unacked_key, mapping=held).execute()
        except RedisError:
            if loop := get_event_loop():
                loop.call_later(NOTED_AGAIN_AFTER, self.note)  # type: ignore[no-untyped-call]
            return
        # Whatever was let go meanwhile was noted all the same.
        self._done.extend(tag for tag in held if self._to_note.pop(tag, None) is None)
        self.flush()

    def ack(self, delivery_tag: str) -> None:
        """It is done: noted before the worker's loop waits again."""
        self._bytes.pop(delivery_tag, None)
        virtual.QoS.ack(self, delivery_tag)  # type: ignore[no-untyped-call]
        if self._to_note.pop(delivery_tag, None):
            return
        self._done.append(delivery_tag)
        loop = get_event_loop()
        if loop is None:
            self.flush()
        else:
            loop.on_tick.add(self.flush)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """It is given back, or refused."""
        self._bytes.pop(delivery_tag, None)
        self.note()
        if not self.channel.is_cut_off:
            super().reject(delivery_tag, requeue=requeue)  # type: ignore[no-untyped-call]

    def flush(self) -> None:
        """Note what is done. After its connection was let go others have what it held: nothing is noted."""
        done = []
        with suppress(IndexError):
            while True:
                done.append(self._done.popleft())
        if done and not self.channel.is_cut_off:
            with self.pipe_or_acquire() as pipe:
                pipe.zrem(self.unacked_index_key, *done).hdel(self.unacked_key, *done).execute()


def _held(message: Any) -> Any:
    """As kombu keeps what is held."""
    info = message["properties"]["delivery_info"]
    return dumps([message, info["exchange"], info["routing_key"]])  # type: ignore[no-untyped-call]


class TakingChannel(ReconnectingChannel):
    """Takes what is behind what it was given, too."""

    QoS = TakingQoS
    comes_alone = False  #: what is being taken, as far as is known

    @property
    def is_stored(self) -> bool:
        """Whether all that it takes is known to the store; what an entry says of itself proves nothing."""
        queues = self.active_queues
        return bool(queues) and _IN_STORE.issuperset(queues)

    def see(self, queue: str) -> list[bytes]:
        """What is on the queue, the oldest first, as far as there is room for it."""
        room = self.qos.can_consume_max_estimate()
        if not room or not self.qos.can_consume() or queue not in self.active_queues:
            return []
        with self.conn_or_acquire() as client:
            seen: list[bytes] = Script(client, _SEE)([queue], [room, MAX_SEEN_BYTES])
        return seen

    def close(self) -> None:
        """Note what is done, if the broker is still there."""
        if loop := get_event_loop():
            loop.on_tick.discard(self.qos.flush)
        if not self.is_cut_off:
            self.qos.note()
            self.qos.flush()
        super().close()
