"""Readiness checks: cheap ones, for they run while every core is busy importing."""

import asyncio
import contextlib
import re
import sys
from collections.abc import Awaitable, Callable, Sequence

from worker.up.service import ReadyCheck, Watched

_POLL_SECONDS = 0.05
_ANSWER_SECONDS = 2.0
#: A worker whose log level hides its "ready" line is asked after this long, with a command of ~1 s of CPU.
_ASK_AFTER_SECONDS = 8.0


def http(host: str, port: int, path: str) -> ReadyCheck:
    """Ready when `GET path` answers 200."""

    async def check(_: Watched) -> None:
        await _poll(lambda: http_ok(host, port, path))

    return check


def redis(host: str, port: int, password: str) -> ReadyCheck:
    """Ready when `PING` answers `+PONG`; while it loads its file it answers `-LOADING`."""

    async def check(_: Watched) -> None:
        await _poll(lambda: _answers_pong(host, port, password))

    return check


def celery_nodes(nodes: Sequence[str]) -> ReadyCheck:
    """Ready when each worker has logged `<node> ready.`, or else answers `celery inspect ping`."""

    async def check(watched: Watched) -> None:
        await asyncio.gather(*(_node_is_ready(watched, node) for node in nodes))

    return check


async def _node_is_ready(watched: Watched, node: str) -> None:
    says = asyncio.ensure_future(watched.printed(rf"\b{re.escape(node)} ready\b"))
    answers = asyncio.ensure_future(_answers_ping(node))
    try:
        await asyncio.wait({says, answers}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        says.cancel()
        answers.cancel()
        await asyncio.gather(says, answers, return_exceptions=True)


async def ends(watched: Watched) -> None:
    """Ready when the process has ended; with which exit code, its caller looks at."""
    await watched.finished()


async def http_ok(host: str, port: int, path: str) -> bool:
    """Whether `GET path` answers 200 within two seconds."""
    request = f"GET {path} HTTP/1.0\r\nHost: {host}:{port}\r\n\r\n".encode()
    status = (await _ask(host, port, request, until=b"\r\n")).split(b" ", 2)
    return len(status) > 1 and status[1] == b"200"


async def _answers_pong(host: str, port: int, password: str) -> bool:
    # ECHO answers last, whatever PING does.
    request = f"AUTH {password}\r\nPING\r\nECHO end\r\n".encode()
    return b"\r\n+PONG\r\n" in await _ask(host, port, request, until=b"end\r\n")


async def _poll(question: Callable[[], Awaitable[bool]]) -> None:
    while True:
        if await question():
            return
        await asyncio.sleep(_POLL_SECONDS)


async def _ask(host: str, port: int, request: bytes, *, until: bytes) -> bytes:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
        async with asyncio.timeout(_ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(request)
                return await reader.readuntil(until)
            finally:
                writer.close()
    return b""


async def _answers_ping(node: str) -> None:
    await asyncio.sleep(_ASK_AFTER_SECONDS)
    command = ("-m", "celery", "-A", "worker", "inspect", "ping", "--destination", node, "--timeout", "2")
    while True:
        quiet = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
        )
        try:
            if await process.wait() == 0:
                return
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            raise
        await asyncio.sleep(1)
