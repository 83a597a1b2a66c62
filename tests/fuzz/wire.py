"""Sends one request over a socket of its own, and reads what is answered."""

import asyncio
import contextlib
import json
from dataclasses import dataclass

from tests.fuzz.requests import Request

#: What may be answered to a request, however wrong it is.
ALLOWED = frozenset({200, 400, 401, 403, 404, 405, 408, 409, 413, 415, 431})


@dataclass(frozen=True, slots=True)
class Answer:
    """One of them."""

    status: int
    type: str
    body: bytes


async def ask(port: int, request: Request, seconds: float) -> list[Answer]:
    """All answers until the connection ends, or until there is one and no more is asked."""
    async with asyncio.timeout(seconds):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
        try:
            with contextlib.suppress(ConnectionError):
                writer.write(request.sent)
                await writer.drain()
            if request.leave:
                return []
            if request.half_close:
                with contextlib.suppress(OSError):
                    writer.write_eof()
            dripping = asyncio.create_task(_drip(writer, request.slow)) if request.slow else None
            try:
                return [answer async for answer in _answers(reader, to_the_end=request.half_close)]
            finally:
                if dripping:
                    dripping.cancel()
        finally:
            writer.transport.abort()


async def _drip(writer: asyncio.StreamWriter, part: bytes) -> None:
    with contextlib.suppress(ConnectionError):
        while True:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.05)


async def _answers(reader: asyncio.StreamReader, *, to_the_end: bool):
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            status = int(head[0].split()[1])
            if status < 200:
                continue
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            length = int(headers.get("content-length", 0))
            yield Answer(status, headers.get("content-type", ""), await reader.readexactly(length))
            if not to_the_end:
                return


def trouble(request: Request, answers: list[Answer]) -> str | None:
    """What is wrong with that; None if nothing is."""
    for answer in answers:
        if answer.status not in ALLOWED:
            return f"answered {answer.status}: {answer.body[:200]!r}"
        if answer.status != 200 and not _is_ours(answer):
            return f"answered {answer.status} in another form: {answer.body[:200]!r}"
    if not answers and not request.leave and request.kind != "slow":
        return "not answered"
    return None


def _is_ours(answer: Answer) -> bool:
    if answer.type != "application/json":
        return False
    body = json.loads(answer.body)
    return (
        body["success"] is False and body["error"]["code"] == answer.status and bool(body["error"]["message"])
    )
