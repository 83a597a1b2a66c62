"""The kinds of faults: coroutines that last as long as the fault does, and say when it takes effect."""

import asyncio
import contextlib
import random
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.chaos.arrivals import Weather
from tests.chaos.points import Action, Point, Role
from tests.chaos.scene import Fault, Scene
from tests.chaos.smtp import SmtpServer
from tests.chaos.twilio import TwilioServer

#: How much longer than the lease a stop lasts, in seconds. A point waits a lease's time to be passed.
BEYOND_LEASE = 1.5
#: In seconds: how long a worker may take to stop when asked to, and how long it must have run, for before
#: Celery is there to be asked, it just ends.
STOPS_WITHIN, STARTS_WITHIN = 30.0, 5.0

Run = Callable[[Scene, Fault, random.Random], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to break something. `weight`: how often it lies in the deck."""

    name: str
    group: str
    run: Run
    weight: int = 1
    blocks: bool = False
    channel: str | None = None


def at_point(role: Role, point: Point, action: Action) -> Run:
    """Have whoever passes the point next do it to itself."""

    async def run(scene: Scene, fault: Fault, _: random.Random) -> None:
        async with scene.lock(f"{role} {point}"), _room_to_stop(scene, action is Action.STOP):
            scene.orders.give(role, point, action)
            pid = await _taken(scene, role, point)
            if pid is None:
                return
            fault.fire(str(pid))
            if action is Action.STOP:
                await _go_on_after(scene, pid, scene.lease + BEYOND_LEASE)

    return run


def _room_to_stop(scene: Scene, needed: bool) -> contextlib.AbstractAsyncContextManager[None]:
    return scene.stops if needed else contextlib.nullcontext()


async def _go_on_after(scene: Scene, pid: int, seconds: float) -> None:
    await asyncio.sleep(seconds)
    scene.processes.signal(pid, signal.SIGCONT)


async def _taken(scene: Scene, role: Role, point: Point) -> int | None:
    for _ in range(int(scene.lease / 0.02)):
        if pid := scene.orders.taker(role, point):
            return pid
        await asyncio.sleep(0.02)
    scene.orders.withdraw(role, point)
    return scene.orders.taker(role, point)


def ambushed(sms: bool, action: Action) -> Run:
    """Between the provider's acceptance and its answer."""

    async def run(scene: Scene, fault: Fault, _: random.Random) -> None:
        server = scene.twilio if sms else scene.smtp
        async with scene.lock(f"ambush {sms}"), _room_to_stop(scene, action is Action.STOP):
            sprung: asyncio.Future[int] = asyncio.get_running_loop().create_future()

            async def attack(port: int) -> None:
                pid = await asyncio.to_thread(scene.worker_at, port)
                number = signal.SIGKILL if action is Action.KILL else signal.SIGSTOP
                if pid and scene.processes.signal(pid, number) and not sprung.done():
                    sprung.set_result(pid)

            server.provider.ambush = attack
            try:
                async with asyncio.timeout(scene.lease):
                    pid = await sprung
            except TimeoutError:
                server.provider.ambush = None
                return
            fault.fire(str(pid))
            if action is Action.STOP:
                await _go_on_after(scene, pid, scene.lease + BEYOND_LEASE)

    return run


def at_random(kind: str, number: signal.Signals) -> Run:
    """Whatever it is doing just now."""

    async def run(scene: Scene, fault: Fault, chance: random.Random) -> None:
        stops = number is signal.SIGSTOP
        async with _room_to_stop(scene, stops and kind == "worker"):
            pid = scene.some(kind, chance)
            if pid is None or not scene.processes.signal(pid, number):
                return
            fault.fire(str(pid))
            if stops:
                seconds = scene.lease + BEYOND_LEASE if kind == "worker" else chance.uniform(1, 4)
                await _go_on_after(scene, pid, seconds)

    return run


async def asked_to_stop(scene: Scene, fault: Fault, chance: random.Random) -> None:
    """SIGTERM, as in a rolling restart."""
    pid = scene.some("worker", chance, STARTS_WITHIN)
    if pid is None or not scene.processes.signal(pid, signal.SIGTERM):
        return
    fault.fire(str(pid))
    if not await scene.processes.until_ended(pid, STOPS_WITHIN):
        fault.detail += f" did not stop within {STOPS_WITHIN:g} s"
        scene.processes.signal(pid, signal.SIGKILL)


async def clock_jumps(scene: Scene, fault: Fault, chance: random.Random) -> None:
    """One worker's clock is ahead or behind for some seconds."""
    offset = chance.choice((-1, 1)) * chance.uniform(0.5, scene.jump)
    order = f"{int(offset * 1000)},{chance.uniform(2, 6)}"
    async with scene.lock("clock"):
        scene.orders.give(Role.WORKER, Point.CLOCK, order)
        if pid := await _taken(scene, Role.WORKER, Point.CLOCK):
            fault.fire(f"{pid} {offset:+.1f} s")
            await asyncio.sleep(float(order.split(",")[1]))


async def broker_killed(scene: Scene, fault: Fault, chance: random.Random) -> None:
    await _broker_restarted(scene, fault, chance, loses_data=False)


async def broker_lost(scene: Scene, fault: Fault, chance: random.Random) -> None:
    await _broker_restarted(scene, fault, chance, loses_data=True)


async def _broker_restarted(scene: Scene, fault: Fault, chance: random.Random, *, loses_data: bool) -> None:
    async with scene.lock("broker"):
        fault.fire()
        await scene.broker.kill()
        if loses_data:
            scene.broker.lose_data()
        await asyncio.sleep(chance.uniform(0.1, 4))
        await scene.broker.open()


async def broker_frozen(scene: Scene, fault: Fault, chance: random.Random) -> None:
    async with scene.lock("broker"):
        fault.fire()
        await scene.broker.freeze(chance.choice((0.5, 2, 5, 12)))


def broker_told(*words: str) -> Run:
    """A command of an operator."""

    async def run(scene: Scene, fault: Fault, _: random.Random) -> None:
        async with scene.lock("broker"):
            fault.fire()
            await scene.broker.command(*words)

    return run


def store_broken(name: str) -> Run:
    """One of the store's own ways to fail."""

    async def run(scene: Scene, fault: Fault, chance: random.Random) -> None:
        async with scene.lock("store"):
            fault.fire()
            await scene.store.breakings[name](chance)

    return run


def bad_weather(sms: bool, weather: Weather) -> Run:
    """A provider misbehaves for a while, towards some or all."""

    async def run(scene: Scene, fault: Fault, chance: random.Random) -> None:
        server = scene.twilio if sms else scene.smtp
        seconds, share = chance.uniform(0.5, 3), chance.choice((0.1, 0.5, 1.0))
        if weather is Weather.REFUSES:
            share = 0.1
        async with scene.lock(f"provider {sms}"):
            fault.fire(f"{seconds:.1f} s, {share:.0%}")
            if weather is Weather.DOWN:
                await _is_down(server, seconds)
                return
            server.provider.share, server.provider.weather = share, weather
            await asyncio.sleep(seconds)
            server.provider.weather = None

    return run


async def _is_down(server: SmtpServer | TwilioServer, seconds: float) -> None:
    await server.close()
    await asyncio.sleep(seconds)
    await server.open()


def connections_dropped(sms: bool) -> Run:
    """All connections to a provider are lost at once."""

    async def run(scene: Scene, fault: Fault, _: random.Random) -> None:
        server = scene.twilio if sms else scene.smtp
        async with scene.lock(f"provider {sms}"):
            fault.fire()
            server.drop_all()

    return run
