"""Names of hosts that producers choose: looked up in threads of their own."""

import asyncio
import socket
import threading

import pytest
import uvloop

from worker.channels.resolver import THREADS, OwnThreadsResolver


def test_slow_name_servers_hold_up_no_other_look_up_and_no_other_thread():
    answered = threading.Event()

    def slow(*_: object, **__: object) -> list[object]:
        answered.wait(10)
        return []

    async def main() -> None:
        resolver = OwnThreadsResolver(slow)
        waiting = [asyncio.create_task(resolver.resolve(f"h{n}.example", 80)) for n in range(2 * THREADS)]
        await asyncio.sleep(0)
        async with asyncio.timeout(2):
            assert await asyncio.to_thread(lambda: "done") == "done"
            assert await asyncio.get_running_loop().getaddrinfo("localhost", 25)
        answered.set()
        assert await asyncio.gather(*waiting) == [[]] * len(waiting)
        await resolver.close()

    uvloop.run(main())


def test_addresses_and_errors_are_those_of_the_operating_system():
    async def main() -> None:
        resolver = OwnThreadsResolver()
        [found] = await resolver.resolve("localhost", 80, socket.AF_INET)
        assert (found["host"], found["port"], found["family"]) == ("127.0.0.1", 80, socket.AF_INET)
        with pytest.raises(socket.gaierror):
            await resolver.resolve("nowhere.invalid", 80)
        await resolver.close()

    uvloop.run(main())
