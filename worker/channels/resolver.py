"""Name resolution for hosts that producers choose, in threads of its own.

A name server may take half a minute to answer. On the loop's own threads, of which there are few, the
names of the mail server and of Twilio would wait behind it.
"""

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

#: Look-ups at a time.
THREADS = 32

#: As `socket.getaddrinfo`.
Lookup = Callable[..., list[Any]]


class OwnThreadsResolver(AbstractResolver):
    """Resolves as the operating system does."""

    def __init__(self, lookup: Lookup = socket.getaddrinfo) -> None:
        self._lookup = lookup
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="resolver")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of `host`. Raises OSError."""
        lookup = partial(
            self._lookup, host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
        found = await asyncio.get_running_loop().run_in_executor(self._threads, lookup)
        numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [
            ResolveResult(
                hostname=host, host=address[0], port=address[1], family=kind, proto=protocol, flags=numeric
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Wait for nothing: a look-up cannot be stopped."""
        self._threads.shutdown(wait=False, cancel_futures=True)
