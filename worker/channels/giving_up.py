"""Giving up a connection: what the kernel has taken, and the other side has not, must not arrive afterwards.

Closed in the usual way, a socket goes on sending, and sending again, for minutes: behind a network that was
cut, or a peer whose buffer is full, a request would arrive long after it was given up. What lies in the
peer's own buffer by then cannot be called back.
"""

import asyncio
import socket
import struct
from typing import Any, Protocol, cast

_AT_ONCE = struct.pack("ii", 1, 0)


class _Socket(Protocol):
    def setsockopt(self, level: int, option: int, value: Any, /) -> None: ...


def bound_sending(sock: _Socket, seconds: float) -> None:
    """Have the kernel give up what is not acknowledged for so long. Only Linux has this."""
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if option is not None:
        sock.setsockopt(socket.IPPROTO_TCP, option, max(1, int(seconds * 1000)))


def drop_when_closed(sock: _Socket) -> None:
    """When it is closed, what is still to be sent is thrown away, and the peer is told by a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)


def abort(transport: asyncio.BaseTransport | None) -> None:
    """Close it now, and send nothing more of what was written to it."""
    if transport is None:
        return
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        drop_when_closed(sock)
    # uvloop's transports are none of asyncio's classes.
    cast("asyncio.WriteTransport", transport).abort()
