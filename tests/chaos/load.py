"""The producers: they post until they are answered 200, as real ones do, and remember what was accepted."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from celery import Celery

from messages.queues import ACCEPT_TASK, INTAKE_QUEUE, PUBLISHER_CONFIG

#: How many post at once, and how many Messages go into one push.
PRODUCERS, PUSHED_TOGETHER = 24, 10
_OK = 200
#: Seconds between two looks at how many may be posted.
_TICK = 0.05


@dataclass
class Produced:
    """One Message as its producer knows it."""

    id: str
    token: str  #: shared by two that say the same to the same number
    fields: dict[str, Any]
    accepted_at: float | None = None  #: seconds since the epoch; when it was answered 200, or pushed
    pushed: bool = False  #: put on the queue, where it can be lost with the broker until a worker takes it

    @property
    def channels(self) -> set[str]:
        """On which it goes out."""
        names = {"externalPhoneNumber": "sms", "externalEmail": "email"}
        return {channel for name, channel in names.items() if name in self.fields}


def make_messages(count: int, chance: random.Random) -> list[Produced]:
    """`count` Messages: SMS, e-mail and both; few numbers, so that many go to the same; some say the same."""
    made: list[Produced] = []
    for number in range(count):
        kind = chance.random()
        last = made[-1] if made else None
        if last and kind < 0.03 and set(last.fields) == {"text", "externalPhoneNumber"}:
            made.append(Produced(f"chaos-{number}", last.token, dict(last.fields)))
            continue
        token = f"t{number}x{chance.getrandbits(32):08x}"
        fields = {"text": f"{token} Your car is ready."}
        if kind < 0.55:
            fields["externalPhoneNumber"] = f"+1804222{chance.randrange(300):04d}"
        if kind > 0.45:
            fields["externalEmail"] = f"{token}@customer.example"
        made.append(Produced(f"chaos-{number}", token, fields))
    return made


@dataclass
class Load:
    """Posts `messages`, so fast that they last for as long as the faults are expected to."""

    messages: Sequence[Produced]
    doors: Sequence[str]
    broker_url: str
    chance: random.Random
    answered: int = 0  #: how many are out of the producers' hands
    answers: dict[str, int] = field(default_factory=dict)  #: what POST was answered, how often
    slowest: float = 0.0  #: seconds that a POST took that was answered 200
    _next: int = 0
    _due: float = 0.0
    _rate: float = 0.0  #: Messages a second

    async def run(self) -> None:
        """Until all are accepted, or it is canceled."""
        self._publisher = Celery("chaos", broker=self.broker_url, set_as_current=False)
        self._publisher.conf.update(PUBLISHER_CONFIG)
        connector = aiohttp.TCPConnector(limit=PRODUCERS)
        timeout = aiohttp.ClientTimeout(total=20)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            asyncio.TaskGroup() as group,
        ):
            producers = [group.create_task(self._produce(session)) for _ in range(PRODUCERS)]
            pace = group.create_task(self._pace())
            await asyncio.wait(producers)
            pace.cancel()
        self._publisher.close()

    def last_for(self, seconds: float) -> None:
        """Spread what is left over so much time."""
        self._rate = (len(self.messages) - self._due) / seconds

    def stop(self) -> None:
        """Post no more than was begun."""
        self.messages = self.messages[: self._next]

    async def _pace(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            self._due = min(self._due + self._rate * _TICK, len(self.messages))

    async def _produce(self, session: aiohttp.ClientSession) -> None:
        while self._next < len(self.messages):
            if self._next >= self._due:
                await asyncio.sleep(_TICK)
                continue
            push = self.chance.random() < 0.05 / PUSHED_TOGETHER
            take = min(PUSHED_TOGETHER if push else 1, len(self.messages) - self._next)
            mine = self.messages[self._next : self._next + take]
            self._next += take
            if push:
                await self._push(mine)
            else:
                await self._post(session, mine[0])

    async def _post(self, session: aiohttp.ClientSession, message: Produced) -> None:
        body = {"id": message.id, **message.fields}
        for attempt in range(10_000):
            door = self.doors[(len(message.id) + attempt) % len(self.doors)]
            began = time.monotonic()
            try:
                async with session.post(f"{door}/api/messages", json=body) as answer:
                    await answer.read()
                    said = str(answer.status)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                said = type(error).__name__
            self.answers[said] = self.answers.get(said, 0) + 1
            if said == str(_OK):
                self.slowest = max(self.slowest, time.monotonic() - began)
                self._accepted(message)
                return
            await asyncio.sleep(min(0.05 * 2 ** min(attempt, 4), 0.5))

    async def _push(self, messages: Sequence[Produced]) -> None:
        argument = [{"id": m.id, **m.fields} for m in messages]
        while True:
            try:
                await asyncio.to_thread(
                    self._publisher.send_task, ACCEPT_TASK, args=[argument], queue=INTAKE_QUEUE
                )
            except Exception:  # noqa: BLE001 - kombu and redis raise many; a producer tries again
                await asyncio.sleep(0.3)
            else:
                break
        for message in messages:
            message.pushed = True
            self._accepted(message)

    def _accepted(self, message: Produced) -> None:
        message.accepted_at = time.time()
        self.answered += 1
