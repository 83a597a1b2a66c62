"""`python -m bench.providers.limit PORT COUNT`: how many e-mails a second the SMTP server takes at most.

Over eight connections, each command after the answer to the one before. Prints the rate.
"""

import asyncio
import sys
import time
from functools import partial
from typing import cast

import uvloop

from bench.processes import LOOPBACK

_CONNECTIONS = 8
_TEXT = b"Message-ID: <%d@limit>\r\nSubject: limit\r\n\r\n" + b"x" * 4000 + b"\r\n.\r\n"


class Sender(asyncio.Protocol):
    """Sends one e-mail after the other on its connection, those whose numbers it draws."""

    def __init__(self, numbers: list[int], is_over: asyncio.Future[None]) -> None:
        self._numbers, self._is_over = numbers, is_over
        self._steps: list[bytes] = [b"EHLO limit\r\n"]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the greeting."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:  # noqa: ARG002 - every answer is a yes
        """Go one step on."""
        if not self._steps and self._numbers:
            number = self._numbers.pop()
            recipient = b"RCPT TO:<%d@limit>\r\n" % number
            self._steps = [_TEXT % number, b"DATA\r\n", recipient, b"MAIL FROM:<bench@limit>\r\n"]
        if self._steps:
            self._transport.write(self._steps.pop())
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """It was the last, or something is wrong."""
        if exc:
            self._is_over.set_exception(exc)
        else:
            self._is_over.set_result(None)


async def main() -> None:
    """Run, and print."""
    loop = asyncio.get_running_loop()
    port, numbers = int(sys.argv[1]), list(range(int(sys.argv[2])))
    count, began = len(numbers), time.monotonic()
    ends: list[asyncio.Future[None]] = [loop.create_future() for _ in range(_CONNECTIONS)]
    for end in ends:
        await loop.create_connection(partial(Sender, numbers, end), LOOPBACK, port)
    await asyncio.gather(*ends)
    print(count / (time.monotonic() - began))


if __name__ == "__main__":
    uvloop.run(main())
