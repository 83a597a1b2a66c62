"""Slots for fetching: so many requests per host and in total, and a circuit breaker per host.

A host that hangs holds its own slots only. After several failures in a row the host is paused. Requests that
wait for a paused host, or for too long, go back to the store without an attempt.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from messages.circuit import Circuit
from messages.clock import Clock
from messages.errors import AttachmentError, FetchPostponed
from messages.outgoing import Permit
from worker.channels.line import Line

#: Requests at a time, to one host and to all of them.
PER_HOST = 8
IN_TOTAL = 64

#: How many requests may wait for a slot of one host; and the longest wait, in seconds.
MOST_WAITING = 500
LONGEST_WAIT = 30

#: The longest pause of a host, in ms; each return from it costs a Message an attempt.
LONGEST_PAUSE_MS = 600_000

#: A request without a slot is repeated after this, in ms, or up to twice as much.
BUSY_MS = 5_000

#: Hosts to remember; beyond that, idle hosts that are not paused are forgotten.
_MOST_HOSTS = 1000


class _Host:
    def __init__(self) -> None:
        self.circuit = Circuit(LONGEST_PAUSE_MS)
        self.line = Line(PER_HOST)
        self.fetching = self.waiting = 0

    @property
    def is_idle(self) -> bool:
        return not (self.fetching or self.waiting or self.circuit.is_half_open)


class FetchSlots:
    """Use it on one event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._hosts: dict[str, _Host] = {}
        self._total = Line(IN_TOTAL)

    @asynccontextmanager
    async def slot(
        self, name: str, *, bulk: bool = False, within: float = LONGEST_WAIT
    ) -> AsyncIterator[None]:
        """Hold a slot of the host `name` for one request; waits for it at most `within` seconds.

        Raises FetchPostponed. An AttachmentError of the block that is temporary is the host's failure.
        """
        host = self._host(name)
        self._check(host, name)
        with _counted(host):
            entered = await host.line.enter(bulk=bulk, within=min(within, LONGEST_WAIT))
        if not entered:
            raise self.busy(name)
        try:
            self._check(host, name)  # it may have failed meanwhile
            if not await self._total.enter(bulk=bulk, within=min(within, LONGEST_WAIT)):
                raise self.busy(name)
            try:
                host.fetching += 1
                async with self._judged(host):
                    yield
            finally:
                host.fetching -= 1
                self._total.leave()
        finally:
            host.line.leave()

    def busy(self, name: str) -> FetchPostponed:
        """Say that there is no slot for the host just now."""
        until = self._clock() + int(BUSY_MS * random.uniform(1, 2))  # noqa: S311 - no secret
        return FetchPostponed(
            f"Its attachment at {name} waits for others that are being fetched; no attempt was made.", until
        )

    def _check(self, host: _Host, name: str) -> None:
        now = self._clock()
        until = host.circuit.open_until(now)
        if until is None and host.circuit.is_half_open and host.fetching:
            until = now + BUSY_MS  # another request finds out whether the host works again
        if until is not None:
            raise FetchPostponed(
                f"Fetching attachments from {name} failed several times in a row and is paused; "
                "no attempt was made.",
                until,
            )
        if host.waiting >= MOST_WAITING:
            raise self.busy(name)

    @asynccontextmanager
    async def _judged(self, host: _Host) -> AsyncIterator[None]:
        try:
            yield
        except AttachmentError as error:
            if error.temporary:
                host.circuit.add_trouble(error.reason, self._clock())
            else:
                host.circuit.close()  # it answered
            raise
        host.circuit.close()

    def _host(self, name: str) -> _Host:
        if name not in self._hosts:
            if len(self._hosts) >= _MOST_HOSTS:
                self._hosts = {key: host for key, host in self._hosts.items() if not host.is_idle}
            self._hosts[name] = _Host()
        return self._hosts[name]


class TimeLeft:
    """Seconds for all attachments of one e-mail; waiting for a slot does not count."""

    def __init__(self, seconds: float, permit: Permit | None, clock: Clock) -> None:
        self.seconds, self._permit, self._clock = seconds, permit, clock
        self.allowed = seconds  #: of these, what the claim left for the last request

    @property
    def to_wait(self) -> float:
        """How long a slot may be waited for, so that what follows still ends before the claim does."""
        if self._permit is None:
            return LONGEST_WAIT
        return max(0.0, (self._permit.begin_by - self._clock()) / 1000 - self.seconds)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Spend it in this block. Raises TimeoutError."""
        now = asyncio.get_running_loop().time
        began = now()
        self.allowed = self.seconds
        if self._permit is not None:
            self.allowed = min(self.seconds, max(0.0, (self._permit.begin_by - self._clock()) / 1000))
        try:
            async with asyncio.timeout(self.allowed):
                yield
        finally:
            self.seconds = max(0.0, self.seconds - (now() - began))


@contextmanager
def _counted(host: _Host) -> Iterator[None]:
    host.waiting += 1
    try:
        yield
    finally:
        host.waiting -= 1
