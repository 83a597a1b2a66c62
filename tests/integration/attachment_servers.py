"""Servers that attachments are fetched from, and what is fetched from them, or why not."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from messages.errors import AttachmentError
from messages.outgoing import Attachment
from tests.servers.twilio import RawServer
from worker.channels.fetch import AttachmentFetcher
from worker.channels.mime import File

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def at(url: str, **given: Any) -> Attachment:
    return Attachment(**{"id": "a-1", "filename": None, "mime_type": None, "url": url, **given})


def fetched(
    handler: Handler,
    path: str = "/files/report.pdf",
    *,
    budget: int = 1000,
    given: dict[str, Any] | None = None,
    allowed: str | None = "127.0.0.1",
    user: str = "",
    **options: Any,
) -> File:
    """Fetch `path` from a server that answers with `handler`."""

    async def main() -> File:
        runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        fetcher = AttachmentFetcher(
            allowed_hosts=[allowed.format(port=port)] if allowed else [],
            **{"max_bytes": 1000, "timeout": 3, **options},
        )
        try:
            return await fetcher.fetch(at(f"http://{user}127.0.0.1:{port}{path}", **(given or {})), budget)
        finally:
            await fetcher.close()
            await runner.cleanup()

    return asyncio.run(main())


def failure(handler: Handler, path: str = "/f", **options: Any) -> AttachmentError:
    with pytest.raises(AttachmentError) as caught:
        fetched(handler, path, **options)
    return caught.value


def fetched_raw(answer: bytes, path: str = "/files/report.pdf", **options: Any) -> File:
    """Fetch `path` from a server that writes `answer` and closes the connection."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    async def main() -> File:
        async with RawServer(script) as server:
            fetcher = AttachmentFetcher(
                allowed_hosts=["127.0.0.1"], **{"max_bytes": 100_000, "timeout": 3, **options}
            )
            try:
                return await fetcher.fetch(at(server.url + path), 100_000)
            finally:
                await fetcher.close()

    return asyncio.run(main())


def failure_of(attachment: Attachment, **options: Any) -> AttachmentError:
    async def main() -> None:
        fetcher = AttachmentFetcher(**{"timeout": 3, **options})
        try:
            await fetcher.fetch(attachment, 1000)
        finally:
            await fetcher.close()

    with pytest.raises(AttachmentError) as caught:
        asyncio.run(main())
    return caught.value


def answering(*args: Any, **kwargs: Any) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(*args, **kwargs)

    return handler


def redirecting(*locations: str, status: int = 302) -> Handler:
    """Redirect along `locations`, then answer with a file."""
    steps = iter(locations)

    async def handler(request: web.Request) -> web.Response:
        location = next(steps, None)
        if location is None:
            return web.Response(body=b"found")
        return web.Response(status=status, headers={"Location": location})

    return handler


OK = answering(body=b"content", content_type="application/pdf")
