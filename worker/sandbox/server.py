"""Starts and stops the sandbox: SMTP and HTTP in one process, on one event loop, on 127.0.0.1 only."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from messages.errors import SettingsError
from messages.settings import Settings
from worker.sandbox.app import build_app
from worker.sandbox.sandbox import Sandbox
from worker.sandbox.smtp import MAX_BYTES, SandboxSmtp
from worker.sandbox.twilio import CUT

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a running sandbox is reached."""

    http_port: int
    smtp_port: int

    @property
    def url(self) -> str:
        """The root of its HTTP side: `TWILIO_BASE_URL`, and with `/sandbox` the page."""
        return f"http://{HOST}:{self.http_port}"

    @property
    def smtp_url(self) -> str:
        """Its SMTP side, as `SMTP_URL` wants it."""
        return f"smtp://{HOST}:{self.smtp_port}"


def run(settings: Settings) -> None:
    """Run the sandbox on the ports of `settings` until SIGTERM or SIGINT.

    Raises SettingsError when a port is taken.
    """
    _run(_serve_until_signal(settings))


@asynccontextmanager
async def listening(
    sandbox: Sandbox, *, http_port: int = 0, smtp_port: int = 0, max_email_bytes: int = MAX_BYTES
) -> AsyncIterator[Listening]:
    """Serve `sandbox` while the block runs; port 0 takes a free one.

    Raises SettingsError when a port is taken.
    """
    http = _bind(http_port, "SANDBOX_PORT")
    try:
        mail = _bind(smtp_port, "SANDBOX_SMTP_PORT")
    except SettingsError:
        http.close()
        raise
    where = Listening(http.getsockname()[1], mail.getsockname()[1])
    loop = asyncio.get_running_loop()
    smtp = await loop.create_server(
        lambda: SandboxSmtp(sandbox, loop, max_email_bytes), sock=mail, backlog=1024
    )
    web = _web_server(sandbox, smtp)
    serving = asyncio.create_task(web.serve(sockets=[http]))
    calling = asyncio.create_task(sandbox.callbacks.run(sandbox))
    try:
        while not web.started:  # noqa: ASYNC110 (uvicorn offers no event)
            await asyncio.sleep(0.005)
        yield where
    finally:
        sandbox.stopping.set()
        calling.cancel()
        smtp.close()
        web.should_exit = True
        await serving
        await asyncio.gather(calling, return_exceptions=True)
        http.close()


async def _serve_until_signal(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    ports = {"http_port": settings.sandbox_port, "smtp_port": settings.sandbox_smtp_port}
    max_email_bytes = max(MAX_BYTES, settings.email_max_bytes)
    async with listening(Sandbox.of(settings), **ports, max_email_bytes=max_email_bytes):
        await stop.wait()


class _Web(uvicorn.Server):
    """uvicorn without its signal handlers, which would end the process before SMTP is closed."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Protocol(HttpToolsProtocol):
    """Lets a request cut its own connection, for the numbers that drop it in place of an answer."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {CUT: {"cut": self.transport.abort}}


def _web_server(sandbox: Sandbox, smtp: asyncio.Server) -> _Web:
    config = uvicorn.Config(
        build_app(sandbox, is_smtp_up=smtp.is_serving),
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=1024,
        timeout_graceful_shutdown=1,
    )
    return _Web(config)


def _bind(port: int, setting: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((HOST, port))
        sock.listen(1024)
    except OSError as error:
        sock.close()
        raise SettingsError(
            f"port {port} on {HOST} cannot be used ({error.strerror}); stop what uses it, "
            f"or set {setting} to a free port"
        ) from None
    sock.setblocking(False)
    return sock


def _run(main: Coroutine[Any, Any, None]) -> None:
    try:
        import uvloop  # noqa: PLC0415 (not on every platform)
    except ImportError:
        asyncio.run(main)
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main)
