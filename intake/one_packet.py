"""An answer in one packet: uvicorn writes its head and its body one after the other.

That is two system calls, and a client that awakes twice, for what is some hundred bytes: a tenth of all that
a POST costs. So the head waits here for the first part of the body, which follows it at once: every answer
of ours is complete when it begins, or, as with a file, its first part is at hand.
"""

from asyncio import Transport
from typing import Protocol
from weakref import ref

#: Bytes of a body from which on copying it to its head costs more than a second write.
_LARGE = 65_536


class Cycle(Protocol):
    """A request and its answer, as uvicorn calls that."""

    response_started: bool


class OnePacket:
    """What a cycle writes to, in place of its transport."""

    __slots__ = ("_begun", "_cycle", "_head", "_transport")

    def __init__(self, transport: Transport, cycle: Cycle) -> None:
        self._transport = transport
        # The cycle has us: in a ring of two, what it read would stay until garbage is looked for.
        self._cycle = ref(cycle)
        self._head = b""
        self._begun = False

    def write(self, data: bytes) -> None:
        """Keep a head; write anything else, the head before it."""
        if not self._begun and self._is_answering():
            self._begun, self._head = True, data
            return
        head, self._head = self._head, b""
        if len(data) < _LARGE:
            self._transport.write(head + data)
        else:
            self._transport.write(head)
            self._transport.write(data)

    def close(self) -> None:
        """Write what is kept, and close."""
        self.write(b"")
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._transport.is_closing()

    def _is_answering(self) -> bool:
        """Whether an answer has begun; before that it may be `100 Continue`."""
        cycle = self._cycle()
        return cycle is not None and cycle.response_started
