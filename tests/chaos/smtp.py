"""An SMTP server as small as can be, for thousands of e-mails a second, that misbehaves on demand."""

import asyncio
import contextlib
import re
import socket
import struct

from tests.chaos.arrivals import IN_TIME, TOO_LATE, Provider, Weather

_MESSAGE_ID = re.compile(rb"^Message-ID: *<([^>]+)>", re.MULTILINE | re.IGNORECASE)
_RECIPIENT = re.compile(rb"<(t\w+)@")
_HELLO = b"250-chaos\r\n250 PIPELINING\r\n"
_SILENT = Weather.HALF_OPEN, Weather.LATE, Weather.LATER

#: Answers other than 250 to the text.
_ANSWERS = {
    Weather.REFUSES: b"550 5.1.1 no such mailbox",
    Weather.BUSY: b"421 4.3.2 busy",
    Weather.ERROR: b"451 4.3.0 try again",
}
#: With an SMTP server, to lose the connection after the text is the one way of not answering.
_DROPS_AFTER = Weather.DROP_AFTER, Weather.ERROR_AFTER


class SmtpServer:
    """`async with SmtpServer(provider) as server:` then `server.url`."""

    def __init__(self, provider: Provider) -> None:
        self.provider, self.port = provider, 0
        self._connections: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=1_000_000)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Listen no longer, and lose every connection."""
        self._server.close()
        self.drop_all()

    def drop_all(self) -> None:
        """Lose every connection at once."""
        for writer in self._connections:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            writer.write(b"220 chaos\r\n")
            await self._talk(reader, writer)
        self._connections.discard(writer)
        writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        token = ""
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"RCPT":
                found = _RECIPIENT.search(line)
                token = found[1].decode() if found else ""
            if verb == b"DATA":
                writer.write(b"354 go on\r\n")
                text = await reader.readuntil(b"\r\n.\r\n")
                if not await self._take(token, text, writer):
                    return
            elif verb == b"QUIT":
                writer.write(b"221 bye\r\n")
                return
            else:
                writer.write(_HELLO if verb == b"EHLO" else b"250 OK\r\n")

    async def _take(self, token: str, text: bytes, writer: asyncio.StreamWriter) -> bool:
        """Take an e-mail, or what the weather makes of it. False when the connection is over."""
        provider, mood = self.provider, self.provider.mood()
        if mood in _ANSWERS:
            if mood is Weather.REFUSES:
                provider.refused.add(token)
            writer.write(_ANSWERS[mood] + b"\r\n")
            return mood is not Weather.BUSY
        if mood in (Weather.DROP_BEFORE, Weather.RESET):
            cut(writer, reset=mood is Weather.RESET)
            return False
        found = _MESSAGE_ID.search(text)
        identity = found[1].decode() if found else "none"
        if mood is Weather.LATER:
            provider.later(self._accept_later(token, identity))
        elif mood is not Weather.HALF_OPEN:
            provider.accept(token, identity)
            await provider.lie_in_wait(writer.get_extra_info("peername"))
        if mood in _DROPS_AFTER:
            return False
        if mood:
            await asyncio.sleep(provider.time_out * (TOO_LATE if mood in _SILENT else IN_TIME))
        writer.write(b"250 OK\r\n")
        return mood not in _SILENT

    async def _accept_later(self, token: str, identity: str) -> None:
        await asyncio.sleep(self.provider.time_out * TOO_LATE)
        self.provider.accept(token, identity)


def cut(writer: asyncio.StreamWriter | asyncio.WriteTransport, *, reset: bool) -> None:
    """Lose a connection; with a RST where `reset`."""
    transport = writer.transport if isinstance(writer, asyncio.StreamWriter) else writer
    own = transport.get_extra_info("socket")
    if reset and own is not None:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
