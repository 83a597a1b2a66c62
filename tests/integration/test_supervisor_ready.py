"""When a service counts as ready."""

import asyncio
import socket

from worker.up import ready


def test_a_redis_check_waits_for_the_server():
    async def story():
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        check = asyncio.ensure_future(ready.redis("127.0.0.1", port, "secret")(None))  # type: ignore[arg-type]
        answers = iter([b"-LOADING", b"+PONG"])

        async def answer(reader, writer):
            await reader.readuntil(b"ECHO end\r\n")
            writer.write(b"+OK\r\n" + next(answers) + b"\r\n$3\r\nend\r\n")
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", port):
            async with asyncio.timeout(5):
                await check
        assert next(answers, None) is None

    asyncio.run(story())
