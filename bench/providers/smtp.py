"""`python -m bench.providers.smtp PORT INQUIRY_PORT`: an SMTP server that takes every e-mail, and counts.

What Postfix's smtp-sink does, where nothing but Python is installed. Several transactions a connection,
pipelined or not.
"""

import asyncio
import re
import sys
from typing import cast

from bench.providers.arrivals import Arrivals, serve

_GREETING = b"220 bench ESMTP\r\n"
_HELLO = b"250-bench\r\n250-PIPELINING\r\n250-SIZE 50000000\r\n250-SMTPUTF8\r\n250 8BITMIME\r\n"
_OK, _GO_ON, _BYE, _WHAT = b"250 OK\r\n", b"354 go on\r\n", b"221 bye\r\n", b"500 what?\r\n"
_END = b"\r\n.\r\n"
_MESSAGE_ID = re.compile(rb"^message-id:\s*(\S+)", re.IGNORECASE | re.MULTILINE)


class Smtp(asyncio.Protocol):
    """One connection."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self._unread = bytearray()
        self._recipient = b""
        self._in_text = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(_GREETING)

    def data_received(self, data: bytes) -> None:
        """Answer all that is complete, in one write."""
        seen = len(self._unread)
        self._unread += data
        answers = []
        while answer := self._text(seen) if self._in_text else self._command():
            answers.append(answer)
            seen = 0
        self._transport.write(b"".join(answers))
        if answers and answers[-1] is _BYE:
            self._transport.close()

    def _text(self, seen: int) -> bytes:
        end = self._unread.find(_END, max(0, seen - len(_END)))
        if end < 0:
            return b""
        head = bytes(self._unread[: max(0, self._unread.find(b"\r\n\r\n"))])
        found = _MESSAGE_ID.search(head)
        del self._unread[: end + len(_END)]
        self._in_text = False
        # Without a Message-ID, each counts as one of its own.
        self._arrivals.add(self._recipient, found[1] if found else str(len(self._arrivals.times)).encode())
        return _OK

    def _command(self) -> bytes:
        end = self._unread.find(b"\r\n")
        if end < 0:
            return b""
        line = bytes(self._unread[:end])
        del self._unread[: end + 2]
        verb = line[:4].upper()
        if verb == b"RCPT":
            self._recipient = line[line.find(b"<") + 1 : line.find(b">")]
        elif verb == b"DATA":
            self._in_text = True
            return _GO_ON
        elif verb in (b"EHLO", b"HELO"):
            return _HELLO
        elif verb == b"QUIT":
            return _BYE
        return _OK if verb in (b"MAIL", b"RCPT", b"RSET", b"NOOP") else _WHAT


if __name__ == "__main__":
    serve(Smtp, int(sys.argv[1]), int(sys.argv[2]))
