"""The lines before senders that all worker processes share: in the broker's Redis, by its clock."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from redis import Redis, RedisError

from messages.broker_connection import redis_url
from messages.pace import Answer, Demand
from worker.held import WORKERS_KEY

log = logging.getLogger(__name__)

#: A sender's line. Which sender's, only its hash tells.
LINE_KEY = "roundsman.pace.{}"

#: Seconds: for connecting and for an answer each; and how long Redis is left alone when it gave none.
TIMEOUT, PAUSE = 0.3, 1.0

#: `messages.pace.ask` for each of KEYS[2…] in turn, atomically; KEYS[1] is the hash of the workers.
SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local answers = {redis.call('HLEN', KEYS[1]), now}
for i = 2, #KEYS do
    local given = 3 * (i - 2)
    local cost, patience = tonumber(ARGV[given + 1]), tonumber(ARGV[given + 3])
    local placed = ARGV[given + 2] == '1'
    local line = redis.call('HMGET', KEYS[i], 'gate', 'tail', 'late')
    local gate, tail, late = tonumber(line[1] or 0), tonumber(line[2] or 0), tonumber(line[3] or 0)
    local first = math.max(now, gate)
    local place, go = first, 0
    if (placed or math.max(tail, late) <= now) and first - now <= patience then
        gate, go = first + cost, 1
    elseif placed then
        place = math.max(first, late)
        late = place + cost
    else
        place = math.max(first, tail, late)
        tail = place + cost
    end
    local function text(number) return string.format('%.0f', number) end
    redis.call('HSET', KEYS[i], 'gate', text(gate), 'tail', text(tail), 'late', text(late))
    redis.call('PEXPIRE', KEYS[i], text(math.ceil((math.max(gate, tail, late) - now) / 1000) + 1000))
    answers[#answers + 1] = go
    answers[#answers + 1] = place - now
end
return answers
"""


@dataclass(frozen=True, slots=True)
class Question:
    """One call of `ask`."""

    demand: Demand
    placed: bool
    patience: int


class SharedLines:
    """The lines in the Redis at `url`. Synchronous; use it in one thread. `tls`: see BrokerConnection."""

    def __init__(self, url: str, tls: Mapping[str, Any] | None = None) -> None:
        self._url, self._tls = url, dict(tls or {})
        self._client: Redis | None = None
        self._again_at = 0.0
        self._away = False
        self.workers = 0  #: how many were seen last

    def ask(self, questions: Sequence[Question]) -> list[Answer | None]:
        """The answers, in this order; None throughout: Redis is away."""
        if time.monotonic() < self._again_at:
            return [None] * len(questions)
        try:
            workers, _, *answers = self._eval(questions)
        except (RedisError, OSError, ValueError) as error:
            self._again_at = time.monotonic() + PAUSE
            self._tell(away=True, why=type(error).__name__)
            return [None] * len(questions)
        self._tell(away=False)
        self.workers = max(workers, 1)
        return [Answer(bool(go), wait) for go, wait in zip(answers[::2], answers[1::2], strict=True)]

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()

    def _eval(self, questions: Sequence[Question]) -> list[int]:
        if self._client is None:
            options: dict[str, Any] = {"socket_timeout": TIMEOUT, "socket_connect_timeout": TIMEOUT}
            self._client = Redis.from_url(redis_url(self._url), retry=None, **options, **self._tls)
        keys = [LINE_KEY.format(_hashed(q.demand.sender)) for q in questions]
        given = [value for q in questions for value in (q.demand.cost, int(q.placed), q.patience)]
        answers: list[int] = self._client.eval(SCRIPT, len(keys) + 1, WORKERS_KEY, *keys, *given)
        return answers

    def _tell(self, *, away: bool, why: str = "") -> None:
        if away and not self._away:
            log.warning("The broker does not answer (%s): each sender's rate is divided among workers.", why)
        elif self._away and not away:
            log.warning("The broker answers again: the rates of senders are shared again.")
        self._away = away


def _hashed(sender: str) -> str:
    return blake2b(sender.encode(), digest_size=12).hexdigest()
