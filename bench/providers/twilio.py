"""`python -m bench.providers.twilio PORT INQUIRY_PORT`: Twilio's create, answered after 150 ms.

As many requests at a time as there are connections. It checks nothing; `worker.sandbox` does that.
"""

import asyncio
import sys
from typing import cast
from urllib.parse import parse_qs

import httptools
import orjson

from bench.providers.arrivals import Arrivals, serve

ACCOUNT, TOKEN = "AC" + "be" * 16, "bench"

#: Seconds until it answers.
ANSWERS_AFTER = 0.15

_HEAD = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"


class Twilio(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self._parser = httptools.HttpRequestParser(self)
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what to answer on."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Let it be parsed."""
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """A part of the form."""
        self._body += body

    def on_message_complete(self) -> None:
        """Take it; answer later."""
        form, self._body = parse_qs(self._body.decode()), b""
        sid = f"SM{len(self._arrivals.times):032x}"
        to = form.get("To", [""])[0]
        self._arrivals.add(to.encode(), sid.encode())
        answer = {
            "sid": sid, "account_sid": ACCOUNT, "status": "queued", "to": to,
            "from": form.get("From", [None])[0], "body": form.get("Body", [""])[0], "num_segments": "1",
            "error_code": None, "error_message": None,
        }  # fmt: skip
        body = orjson.dumps(answer)
        asyncio.get_running_loop().call_later(ANSWERS_AFTER, self._answer, _HEAD % (len(body), body))

    def _answer(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)


if __name__ == "__main__":
    serve(Twilio, int(sys.argv[1]), int(sys.argv[2]))
