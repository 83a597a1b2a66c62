"""`python -m bench.load PORT …`: an HTTP client that is not the bottleneck, in a process of its own.

    --post NAME     POST /api/messages, Messages named NAME-0, NAME-1, …
    --get PATH      GET it; {number} is any below --of
    --count N | --seconds S      how much
    --rate R        so many a second, whether or not the answers come; without it, each connection goes on
                    as soon as it has its answer
    --connections C kept alive

Prints JSON: `{"sent": [number, when, until], …}`; times in seconds of the monotonic clock.
"""

import argparse
import asyncio
import random
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import cast

import orjson
import uvloop

from bench.corpus import email
from bench.processes import LOOPBACK

_LENGTH = b"content-length: "


class Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(
        self, answered: Callable[["Connection", int], None], lost: Callable[["Connection"], None]
    ) -> None:
        self._answered, self._lost = answered, lost
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what to write on."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Tell; a server closes what was not used for some seconds."""
        self._lost(self)

    def ask(self, request: bytes, number: int, since: float) -> None:
        """Send a request that was due at `since`."""
        self.number, self.since = number, since
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Tell, once an answer is complete."""
        self._unread += data
        end = self._unread.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._unread[:end].lower()
        at = head.find(_LENGTH) + len(_LENGTH)
        length = int(head[at:].split(b"\r\n", 1)[0])
        if len(self._unread) >= end + 4 + length:
            self._unread = b""
            self._answered(self, int(head[9:12]))

    def close(self) -> None:
        """Hang up."""
        self._transport.close()


class Load:
    """Sends requests as they are due, and notes when each was answered."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._requests = enumerate(_posts(options) if options.post else _gets(options))
        self._idle: deque[Connection] = deque()
        self._due: deque[float] = deque()  #: what no connection was free for
        self._under_way = 0
        self._over = asyncio.Event()
        self._is_last = False
        self.statuses: Counter[int] = Counter()
        self.sent: list[tuple[int, float, float]] = []

    async def run(self) -> None:
        """From the first connection to the last answer."""
        loop = asyncio.get_running_loop()
        connections = [
            (await loop.create_connection(self._connection, LOOPBACK, self._options.port))[1]
            for _ in range(self._options.connections)
        ]
        self._idle.extend(connections)
        self._end = time.monotonic() + (self._options.seconds or 1e9)
        if self._options.rate:
            await self._at_rate(self._options.rate)
        else:
            while self._idle:
                self._next(time.monotonic())
            await self._over.wait()
        for connection in connections:
            connection.close()

    def _connection(self) -> Connection:
        return Connection(self._answered, self._lost)

    def _lost(self, connection: Connection) -> None:
        with suppress(ValueError):
            self._idle.remove(connection)

    async def _at_rate(self, rate: float) -> None:
        began, number = time.monotonic(), 0
        while not self._is_last and (due := began + number / rate) < self._end:
            await asyncio.sleep(max(0, due - time.monotonic()))
            if self._idle:
                self._next(due)
            else:
                self._due.append(due)
            number += 1
        self._is_last = not self._due
        if self._under_way:
            await self._over.wait()

    def _next(self, since: float) -> None:
        connection = self._idle.pop()  # the one used last: it is still open
        number, request = next(self._requests, (0, b""))
        if not request or time.monotonic() > self._end:
            self._is_last = True
            if not self._under_way:
                self._over.set()
            return
        self._under_way += 1
        connection.ask(request, number, since)

    def _answered(self, connection: Connection, status: int) -> None:
        now = time.monotonic()
        self._under_way -= 1
        self.statuses[status] += 1
        self.sent.append((connection.number, connection.since, now))
        self._idle.append(connection)
        if self._due:
            self._next(self._due.popleft())
        elif not self._options.rate and not self._is_last:
            self._next(now)
        if not self._under_way and self._is_last:
            self._over.set()


def _posts(options: argparse.Namespace) -> Iterator[bytes]:
    head = (
        "POST /api/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: "
    )
    for number in range(options.count or sys.maxsize):
        body = orjson.dumps(email(options.post, number))
        yield f"{head}{len(body)}\r\n\r\n".encode() + body


def _gets(options: argparse.Namespace) -> Iterator[bytes]:
    chance = random.Random(1)  # noqa: S311 - the same requests in every run
    for _ in range(options.count or sys.maxsize):
        path = options.get.replace("{number}", str(chance.randrange(options.of)))
        yield f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


def main() -> None:
    """Run, and print."""
    parser = argparse.ArgumentParser("load", description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--post", default="")
    parser.add_argument("--get", default="")
    parser.add_argument("--of", type=int, default=1)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--connections", type=int, default=64)
    load = Load(parser.parse_args())
    began, used = time.monotonic(), time.process_time()
    uvloop.run(load.run())
    busy = (time.process_time() - used) / (time.monotonic() - began)
    told = {"sent": load.sent, "statuses": {str(k): v for k, v in load.statuses.items()}, "busy": busy}
    # By a buffer of its own: unbuffered, a write may end early, and megabytes do.
    with suppress(BrokenPipeError), open(sys.stdout.fileno(), "wb", closefd=False) as out:
        out.write(orjson.dumps(told))


if __name__ == "__main__":
    main()
