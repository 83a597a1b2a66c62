"""One run: set up, storm, drain, audit. Whatever happens, nothing is left running."""

import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from messages.delivery import Channel
from messages.errors import StoreUnavailable
from messages.states import DeliveryState
from messages.store import Store
from tests.chaos.arrivals import Provider
from tests.chaos.audit import Findings, audit
from tests.chaos.broker import Broker
from tests.chaos.load import Load, make_messages
from tests.chaos.plan import Plan
from tests.chaos.points import Orders
from tests.chaos.processes import Processes
from tests.chaos.scene import Scene
from tests.chaos.smtp import SmtpServer
from tests.chaos.stores import STORES
from tests.chaos.storm import Storm
from tests.chaos.twilio import ACCOUNT, TOKEN, TwilioServer
from tests.servers.ports import free_ports

#: In seconds. Draining fails when nothing changes for so long.
STUCK_AFTER = 60.0
_REST_WITHIN = 5.0


@dataclass
class Ran:
    """What there is to be said of a run."""

    plan: Plan
    findings: Findings
    storm: Storm
    load: Load
    misbehaved: int
    listed: int
    seconds: float
    drained: float  #: seconds from the last fault and the last Message until nothing was under way


async def run(plan: Plan) -> Ran:
    """Run the plan."""
    shutil.rmtree(plan.folder, ignore_errors=True)
    plan.folder.mkdir(parents=True)
    began = time.monotonic()
    async with _scene(plan) as (scene, doors):
        store = Store(scene.store.url)
        messages = make_messages(plan.messages, random.Random(plan.seed))
        load = Load(messages, doors, scene.broker.url, random.Random(plan.seed))
        storm = Storm(plan, scene, lambda elapsed: _progress(storm, load, elapsed))
        producing = asyncio.create_task(load.run())
        try:
            await storm.blow()
            print()
            scene.calm()
            if len(storm.fired) < plan.faults:
                load.stop()
            load.last_for(_REST_WITHIN)
            await _produced(load, producing)
            drained = await _drain(store, scene.broker, plan.settled_after)
        finally:
            producing.cancel()
            await asyncio.gather(producing, return_exceptions=True)
        findings = await asyncio.to_thread(
            audit, store, load.messages, scene.twilio.provider, scene.smtp.provider
        )
        store.close()
        _judge(findings, scene, load, storm, drained)
        misbehaved = scene.twilio.provider.misbehaved + scene.smtp.provider.misbehaved
        listed = scene.twilio.listed
    return Ran(plan, findings, storm, load, misbehaved, listed, time.monotonic() - began, drained)


@contextlib.asynccontextmanager
async def _scene(plan: Plan) -> AsyncIterator[tuple[Scene, list[str]]]:
    store = STORES[plan.store](plan.folder)
    smtp, twilio = (
        SmtpServer(Provider(Channel.EMAIL, random.Random(plan.seed), plan.time_out)),
        TwilioServer(Provider(Channel.SMS, random.Random(plan.seed), plan.time_out)),
    )
    broker_port, *ports = free_ports(1 + plan.intakes)
    async with contextlib.AsyncExitStack() as stack:
        await asyncio.to_thread(store.open)
        stack.push_async_callback(asyncio.to_thread, store.close)
        for server in (smtp, twilio):
            await server.open()
            stack.push_async_callback(server.close)
        environment = plan.environment(
            PATH=os.environ["PATH"],
            DATABASE_URL=store.url,
            BROKER_URL=f"redis://127.0.0.1:{broker_port}/0",
            SMTP_URL=smtp.url,
            TWILIO_BASE_URL=twilio.url,
            TWILIO_ACCOUNT_SID=ACCOUNT,
            TWILIO_AUTH_TOKEN=TOKEN,
            PUBLIC_URL=f"http://127.0.0.1:{ports[0]}",
        )
        orders = Orders(plan.folder / "orders")
        processes = Processes(environment, orders.folder, plan.folder)
        await processes.open()
        stack.push_async_callback(processes.close)
        if store.pid_file:
            processes.guard(store.pid_file)
        broker = Broker(processes, plan.folder / "valkey", broker_port)
        await broker.open()
        for number, port in enumerate(ports, 1):
            processes.start(f"intake{number}", kind="intake", port=port)
        for number in range(1, plan.workers + 1):
            processes.start(f"worker{number}", kind="worker")
        yield (
            Scene(
                processes,
                broker,
                store,
                orders,
                smtp,
                twilio,
                plan.lease,
                plan.jump,
                asyncio.Semaphore(plan.workers - 1),
            ),
            [f"http://127.0.0.1:{port}" for port in ports],
        )


def _progress(storm: Storm, load: Load, elapsed: float) -> None:
    """Messages go along with the faults: as fast as these come, or as they were to."""
    done, plan = len(storm.fired), storm.plan
    each = max(plan.gap, elapsed / max(done, 1))
    load.last_for(max(plan.faults - done + 2, 1) * each)
    print(f"\r  {done} faults, {load.answered} accepted", end="", flush=True)


async def _produced(load: Load, producing: asyncio.Task[None]) -> None:
    """Wait until all are out of the producers' hands, as long as some still get there."""
    answered, changed = load.answered, time.monotonic()
    while load.answered < len(load.messages) and not producing.done():
        if load.answered > answered:
            answered, changed = load.answered, time.monotonic()
        if time.monotonic() - changed > STUCK_AFTER:
            return
        await asyncio.sleep(0.1)


async def _drain(store: Store, broker: Broker, settled_after: float) -> float:
    """Wait until nothing is under way, and what is `unknown` stays so. Seconds until the former."""
    began = changed = time.monotonic()
    seen: object = None
    drained = None
    while True:
        now, under_way, unknown = time.monotonic(), *await _counts(store, broker)
        if (under_way, unknown) != seen:
            seen, changed = (under_way, unknown), now
        drained = None if under_way else drained or now - began
        if drained is not None and (unknown == 0 or now - changed > settled_after):
            return drained
        if now - changed > STUCK_AFTER:
            return now - began
        await asyncio.sleep(0.2)


async def _counts(store: Store, broker: Broker) -> tuple[int, int]:
    """How many Deliveries and tasks are under way, and how many Messages unknown; -1: the store is away."""
    try:
        waiting = await asyncio.to_thread(store.waiting_by_state)
        unknown = (await asyncio.to_thread(store.page, DeliveryState.UNKNOWN, 1, 1)).total
    except StoreUnavailable:
        return -1, -1
    return sum(waiting.values()) + await broker.held(), unknown


def _judge(findings: Findings, scene: Scene, load: Load, storm: Storm, drained: float) -> None:
    """What else must not be."""
    expected = {"200", "503"}
    for said, count in load.answers.items():
        if said.isdigit() and said not in expected:
            findings.violate("the door answered", f"{said}, {count} times")
    if unanswered := len(load.messages) - load.answered:
        findings.violate("never accepted", unanswered)
    killed = -signal.SIGKILL
    for name, _, code in scene.processes.ended:
        if code not in (0, killed):
            findings.violate("ended by itself", f"{name}, code {code}")
    for fault in storm.fired:
        if "did not stop" in fault.detail:
            findings.violate("asked to stop", f"{fault.detail} (fault {fault.number})")
    for trouble in storm.trouble:
        findings.violate("a fault could not be injected", trouble)
    journal = [
        {"number": f.number, "kind": f.kind, "began": f.began, "ended": f.ended, "detail": f.detail}
        for f in storm.faults
    ]
    scene.orders.folder.with_name("faults.json").write_text(json.dumps(journal, indent=1))
