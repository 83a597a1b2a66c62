"""A real Valkey with an append-only file, to be killed, frozen and emptied."""

import asyncio
import shutil
import signal
from pathlib import Path

import redis.asyncio as redis

from messages.queues import ALL_QUEUES
from tests.chaos.processes import Processes
from worker.up.broker import find_server

NAME = "broker"


class Broker:
    """Runs under the launcher; not started again by itself."""

    def __init__(self, processes: Processes, folder: Path, port: int) -> None:
        self._processes, self._folder, self._port = processes, folder, port
        self.url = f"redis://127.0.0.1:{port}/0"

    async def open(self) -> None:
        """Start it with what data it has, and wait until it answers."""
        self._folder.mkdir(exist_ok=True)
        arguments = {
            "bind": "127.0.0.1", "port": self._port, "dir": self._folder, "appendonly": "yes",
            "appendfsync": "everysec", "save": "", "aof-load-truncated": "yes",
        }  # fmt: skip
        argv = [str(find_server()), *(f for k, v in arguments.items() for f in (f"--{k}", str(v)))]
        self._processes.start(NAME, keep=False, kind="program", argv=argv)
        await self.answers()

    async def answers(self) -> None:
        """Return once it does."""
        async with asyncio.timeout(20):
            while True:
                try:
                    await self.command("PING")
                except (redis.RedisError, OSError):
                    await asyncio.sleep(0.02)
                else:
                    return

    async def command(self, *words: str) -> None:
        """Say something to it."""
        async with redis.Redis.from_url(self.url, socket_timeout=5, socket_connect_timeout=1) as client:
            await client.execute_command(*words)

    async def held(self) -> int:
        """How many tasks it has: on queues, and taken by workers and not acknowledged."""
        async with redis.Redis.from_url(self.url, socket_timeout=5) as client:
            waiting = [await client.llen(queue) for queue in ALL_QUEUES]
            held = [await client.hlen(key) async for key in client.scan_iter("unacked.*", _type="hash")]
            return sum(waiting) + sum(held)

    async def kill(self) -> None:
        """`kill -9`."""
        if pid := self._processes.pid(NAME):
            self._processes.signal(pid, signal.SIGKILL)
            await self._processes.until_ended(pid, 10)

    def lose_data(self) -> None:
        """As if its disk were new. While it does not run."""
        shutil.rmtree(self._folder / "appendonlydir", ignore_errors=True)

    async def freeze(self, seconds: float) -> None:
        """Connected, and silent."""
        if pid := self._processes.pid(NAME):
            self._processes.signal(pid, signal.SIGSTOP)
            await asyncio.sleep(seconds)
            self._processes.signal(pid, signal.SIGCONT)
