"""Starts services in the order their needs allow, keeps them running, stops them stage by stage."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from worker.up.child import Child
from worker.up.process import Guard
from worker.up.screen import Screen
from worker.up.service import Service, Stage, StartError

START_SECONDS = 60.0
#: How long the services of a stage may take to stop; together below the promised 10 s.
STOP_SECONDS = {Stage.DOOR: 2.0, Stage.WORK: 4.0, Stage.PROVIDERS: 1.0, Stage.BROKER: 1.5}


class Supervisor:
    """A set of services that run, and stop, together."""

    def __init__(
        self, services: Sequence[Service], *, logs: Path, screen: Screen, guard: Guard, verbose: bool = False
    ) -> None:
        self._screen = screen
        self._children = {
            service.name: Child(service, logs=logs, screen=screen, guard=guard, verbose=verbose)
            for service in services
        }
        self._ready = {name: asyncio.Event() for name in self._children}
        self._keepers: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start everything; side by side where one does not need the other. Raises StartError."""
        starting = {asyncio.create_task(self._start(child)) for child in self._children.values()}
        try:
            done, _ = await asyncio.wait(starting, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            for task in starting:
                task.cancel()
            await asyncio.gather(*starting, return_exceptions=True)

    async def _start(self, child: Child) -> None:
        for name in child.service.after:
            await self._ready[name].wait()
        began = time.monotonic()
        try:
            await child.start(START_SECONDS)
        except OSError as error:
            raise StartError(f"{child.service.name} cannot be started: {error}") from None
        self._ready[child.service.name].set()
        self._screen.ready(child.service.name, time.monotonic() - began)
        if not child.service.once:
            self._keepers.append(asyncio.create_task(child.keep()))

    async def stop(self) -> None:
        """Stop everything, in under 10 s. What does not end by itself is killed."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for stage in Stage:
            staged = [child for child in self._children.values() if child.service.stage is stage]
            await asyncio.gather(*(child.stop(STOP_SECONDS[stage]) for child in staged))

    def kill(self) -> None:
        """End everything at once; a `stop` that is under way then returns."""
        for child in self._children.values():
            child.kill()
