"""Twilio at the HTTP wire: create and list, and a raw server for what a real one cannot be made to do."""

import asyncio
import base64
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Self

from aiohttp import web

from messages.clock import system_clock

ACCOUNT, TOKEN = "AC" + "1" * 32, "secret-token"

#: Recipients that are refused: HTTP status, Twilio's code, headers. Its message quotes number and text.
REFUSED = {
    "+15005550001": (400, 21211, {}),
    "+15005550002": (400, 21614, {}),
    "+15005550003": (400, 21610, {}),
    "+15005550004": (429, 20429, {"Retry-After": "7"}),
    "+15005550005": (400, 21611, {}),
    "+15005550006": (500, 20500, {}),
    "+15005550007": (503, 20503, {}),
    "+15005550008": (400, 99999, {}),
}
#: Recipients of what has ended badly by the time it is accepted: its status and error code.
ENDED: dict[str, tuple[str, int | None]] = {
    "+15005550201": ("failed", 30007),
    "+15005550202": ("canceled", None),
    "+15005550203": ("undelivered", 30005),
    "+15005550204": ("failed", 21610),
}
DROPPED, HUNG = "+15005550101", "+15005550102"


class TwilioServer:
    """`async with TwilioServer() as server:` then `server.url`, `server.created`, `server.peak`."""

    def __init__(self, port: int = 0, *, token: str = TOKEN) -> None:
        self._token = token
        self.created: list[dict[str, list[str]]] = []
        self.requests = self.peak = self.lists = 0
        #: What it lists, oldest first, and the clock by which it dates that.
        self.messages: list[dict[str, Any]] = []
        self.clock: Callable[[], int] = system_clock
        self.page_size = 1000
        self.list_status = 200
        self.port = port
        self._hold: asyncio.Event | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def open(self) -> int:
        return len(self._runner.server.connections) if self._runner.server else 0

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/2010-04-01/Accounts/{account}/Messages.json", self._create)
        app.router.add_get("/2010-04-01/Accounts/{account}/Messages.json", self._list)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _create(self, request: web.Request) -> web.Response:
        self.requests += 1
        self.peak = max(self.peak, self.open)
        form = await request.post()
        fields = {key: [str(value) for value in form.getall(key)] for key in form}
        expected = "Basic " + base64.b64encode(f"{ACCOUNT}:{self._token}".encode()).decode()
        if request.headers.get("Authorization") != expected:
            return _error(401, 20003, "Authenticate")
        [to] = fields["To"]
        if to in REFUSED:
            status, code, headers = REFUSED[to]
            return _error(status, code, f"The 'To' number {to} is refused for {fields.get('Body')}", headers)
        self.created.append(fields)
        sid = self.keep(to, fields.get("Body", [""])[0])
        if to == HUNG:
            await asyncio.Event().wait()
        if to == DROPPED:
            assert request.transport is not None
            request.transport.abort()
        status, code = ENDED.get(to, ("queued", None))
        return web.json_response({"sid": sid, "status": status, "error_code": code, "to": to}, status=201)

    def keep(self, to: str, body: str, **fields: Any) -> str:
        """Have it list one more message, with these fields; its SID."""
        sid = f"SM{len(self.messages) + 1:032x}"
        at = format_datetime(datetime.fromtimestamp(self.clock() // 1000, UTC))
        message = {"sid": sid, "to": to, "body": body, "direction": "outbound-api"}
        message |= {"status": "queued", "error_code": None}
        self.messages.append(message | {"date_created": at, "date_sent": None} | fields)
        return sid

    async def _list(self, request: web.Request) -> web.Response:
        self.lists += 1
        if self.list_status != 200:
            return _error(self.list_status, 20500, "Internal Server Error")
        query = request.query
        page, size = int(query.get("Page", 0)), min(int(query["PageSize"]), self.page_size)
        found = [m for m in reversed(self.messages) if m["to"] == query["To"]]
        following = str(request.rel_url.update_query(Page=page + 1))
        return web.json_response({
            "messages": found[page * size : (page + 1) * size],
            "page": page, "page_size": size, "start": 0, "end": 0, "uri": "", "first_page_uri": "",
            "previous_page_uri": None,
            "next_page_uri": following if len(found) > (page + 1) * size else None,
        })  # fmt: skip


def _error(status: int, code: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    body = {"code": code, "message": message, "status": status, "more_info": "https://www.twilio.com"}
    return web.json_response(body, status=status, headers=headers)


Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class RawServer:
    """A TCP server that does with each connection what `script` says, and counts them."""

    def __init__(self, script: Script, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self._script, self.port, self._tls = script, port, tls
        self.connections = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._script(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """One HTTP request, head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    )
    return head + await reader.readexactly(length)


def reply(status: str, body: bytes, *headers: str) -> bytes:
    """One HTTP answer."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Content-Type: application/json", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body
