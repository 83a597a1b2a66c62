"""An SMTP session once it is open: commands out, replies in, in order; several commands may be on their way.

aiosmtplib connects, secures the connection and logs in. It asks and waits, one command after the other, and
those waits are most of what an e-mail costs; so its connection is taken over here.
"""

import asyncio
from collections import deque
from contextlib import suppress

import aiosmtplib

from worker.channels.giving_up import abort

#: Of one reply, in bytes: as aiosmtplib has it, too.
_MOST = 65_536
_QUIT_SECONDS = 2.0
_NO_REPLY = -1
_CODE_DIGITS = 3
_CLOSING = 421


class Session(asyncio.Protocol):
    """Goes on with an open connection. `extensions`: what the server offers, in lower case."""

    def __init__(self, transport: asyncio.Transport, extensions: frozenset[str]) -> None:
        self.transport, self.extensions = transport, extensions
        self._unread = b""
        self._lines: list[bytes] = []  #: of a reply that has more
        self._replies: deque[aiosmtplib.SMTPResponse] = deque()
        self._awaited = 0  #: replies that are to come
        self._waiter: asyncio.Future[None] | None = None
        self._over: Exception | None = None
        self._timer: asyncio.TimerHandle | None = None
        transport.set_protocol(self)

    @property
    def is_connected(self) -> bool:
        """Whether nobody has closed it, as far as is known."""
        return self._over is None and not self.transport.is_closing()

    @property
    def pipelines(self) -> bool:
        """Whether the server takes several commands at once."""
        return "pipelining" in self.extensions

    @property
    def has_unsent(self) -> bool:
        """Whether some of what was written has not left yet."""
        return self.transport.get_write_buffer_size() > 0

    def write(self, data: bytes, *, replies: int) -> None:
        """Write commands, or a text: `replies` will come of it. Raises SMTPServerDisconnected."""
        if not self.is_connected:
            raise aiosmtplib.SMTPServerDisconnected("Connection lost") from self._over
        self._awaited += replies
        self.transport.write(data)

    async def reply(self) -> aiosmtplib.SMTPResponse:
        """The next reply. Raises aiosmtplib's SMTPException."""
        while not self._replies:
            if self._over is not None:
                raise self._over
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        reply = self._replies.popleft()
        if reply.code == _CLOSING:
            self.close()  # as the server does
        return reply

    def allow(self, seconds: float) -> None:
        """From now on `reply` waits so long in all, and the session is over then, if not `allowed` before."""
        late = aiosmtplib.SMTPReadTimeoutError("Timed out waiting for server response")
        self._timer = asyncio.get_running_loop().call_later(seconds, self._end, late)

    def allowed(self) -> None:
        """It was in time."""
        if self._timer is not None:
            self._timer.cancel()

    def close(self) -> None:
        """Close it, once what was written is sent."""
        self.transport.close()

    def drop(self) -> None:
        """Close it without a word, and send nothing more of what was written: who wrote it has given up."""
        abort(self.transport)

    async def take_leave(self) -> None:
        """Say QUIT, and close it; a server that does not answer is not waited for."""
        try:
            with suppress(aiosmtplib.SMTPException, OSError):
                async with asyncio.timeout(_QUIT_SECONDS):
                    self.write(b"QUIT\r\n", replies=1)
                    await self.reply()
        finally:
            self.close()

    # What asyncio calls

    def data_received(self, data: bytes) -> None:
        """Take replies apart; what nobody asked for, or is none, ends the session: it is out of step."""
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            if not self._take(line):
                return
        if len(self._unread) + sum(map(len, self._lines)) > _MOST:
            self._end(_no_reply("Response too long"))
        self._wake()

    def eof_received(self) -> None:
        """Close it: the server says no more."""
        self._end(aiosmtplib.SMTPServerDisconnected("Unexpected EOF received"))

    def connection_lost(self, error: Exception | None) -> None:
        """Tell who waits."""
        lost = aiosmtplib.SMTPServerDisconnected("Connection lost")
        lost.__cause__ = error
        self._end(lost)

    def _take(self, line: bytes) -> bool:
        code, more = line[:_CODE_DIGITS], line[_CODE_DIGITS : _CODE_DIGITS + 1] == b"-"
        if not (len(code) == _CODE_DIGITS and code.isdigit()):
            self._end(_no_reply("Malformed SMTP response line"))
            return False
        self._lines.append(line[_CODE_DIGITS + 1 :].strip())
        if more:
            return True
        if not self._awaited:
            self._end(aiosmtplib.SMTPServerDisconnected("A reply to nothing"))
            return False
        self._awaited -= 1
        text = b"\n".join(self._lines).decode("utf-8", "surrogateescape")
        self._lines.clear()
        self._replies.append(aiosmtplib.SMTPResponse(int(code), text))
        return True

    def _end(self, error: Exception) -> None:
        if self._over is None:
            self._over = error
            self.transport.close()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done() and (self._replies or self._over):
            self._waiter.set_result(None)


def _no_reply(what: str) -> aiosmtplib.SMTPResponseException:
    return aiosmtplib.SMTPResponseException(_NO_REPLY, what)
