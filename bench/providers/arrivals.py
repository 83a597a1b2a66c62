"""What arrived, and how the runner asks about it: a line each way, over a port of its own.

count   → 20000
reset   → 0
report  → {"times": [12.5, …], "recipients": ["m1@…", …], "doubledIds": 0}, in order of arrival
"""

import asyncio
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
import uvloop

from bench.processes import LOOPBACK

#: Seconds that a report of hundreds of thousands may take.
_PATIENCE = 60


@dataclass
class Arrivals:
    """In a provider's process. Times are of the machine's monotonic clock, which all processes share."""

    times: list[float] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    ids: set[bytes] = field(default_factory=set)

    def add(self, recipient: bytes, identity: bytes) -> None:
        """One was accepted; it is from here on the provider's."""
        self.times.append(time.monotonic())
        self.recipients.append(recipient.decode("utf-8", "replace"))
        self.ids.add(identity)

    def answer(self, question: bytes) -> bytes:
        """One line for one line."""
        if question == b"reset":
            self.times, self.recipients, self.ids = [], [], set()
        if question == b"report":
            doubled = len(self.times) - len(self.ids)
            return orjson.dumps({"times": self.times, "recipients": self.recipients, "doubledIds": doubled})
        return str(len(self.times)).encode()


@dataclass(frozen=True, slots=True)
class Report:
    """What a provider took, in order."""

    times: list[float]
    recipients: list[str]
    doubled_ids: int


class Inquiry:
    """In the runner: asks a provider's process."""

    def __init__(self, port: int) -> None:
        self._port = port

    def count(self) -> int:
        """How many arrived since the last reset."""
        return int(self._ask(b"count"))

    def reset(self) -> None:
        """Forget all."""
        self._ask(b"reset")

    def report(self) -> Report:
        """All that arrived since the last reset."""
        told = orjson.loads(self._ask(b"report"))
        return Report(told["times"], told["recipients"], told["doubledIds"])

    def _ask(self, question: bytes) -> bytes:
        with socket.create_connection((LOOPBACK, self._port), timeout=_PATIENCE) as connection:
            connection.sendall(question + b"\n")
            with connection.makefile("rb") as answer:
                return answer.readline()


def serve(protocol: Callable[[Arrivals], asyncio.BaseProtocol], port: int, inquiry_port: int) -> None:
    """Run a provider until it is stopped."""
    arrivals = Arrivals()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        question = (await reader.readline()).strip()
        writer.write(arrivals.answer(question) + b"\n")
        await writer.drain()
        writer.close()

    async def main() -> Any:
        loop = asyncio.get_running_loop()
        await loop.create_server(lambda: protocol(arrivals), LOOPBACK, port, backlog=1024)
        server = await asyncio.start_server(answer, LOOPBACK, inquiry_port)
        await server.serve_forever()

    uvloop.run(main())
