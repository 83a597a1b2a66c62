"""A storm: faults one after another, several at a time, as the seed deals them."""

import asyncio
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.chaos.deck import deal, kinds
from tests.chaos.faults import Kind
from tests.chaos.plan import Plan
from tests.chaos.scene import Fault, Scene

#: How many faults last at the same time.
AT_ONCE = 8


@dataclass
class Storm:
    """Injects until enough have fired. `progress` is told how many."""

    plan: Plan
    scene: Scene
    progress: Callable[[int], None]
    faults: list[Fault] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)  #: faults that could not be injected as meant

    @property
    def fired(self) -> list[Fault]:
        """Those that took effect."""
        return [fault for fault in self.faults if fault.began is not None]

    async def blow(self) -> None:
        """Until the plan is fulfilled, or its time is over; then wait for those under way."""
        chance = random.Random(self.plan.seed)
        every = kinds(self.scene.store.breakings)
        cards = deal([kind for kind in every if re.search(self.plan.only, kind.name)], chance)
        room = asyncio.Semaphore(AT_ONCE)
        deadline = time.monotonic() + 60 * self.plan.minutes
        async with asyncio.TaskGroup() as group:
            while time.monotonic() < deadline:
                done = len(self.fired)
                self.progress(done)
                if done >= self.plan.faults:
                    break
                kind, own = next(cards), random.Random(chance.getrandbits(64))
                gap = chance.expovariate(1 / self.plan.gap)
                await room.acquire()
                fault = Fault(len(self.faults) + 1, kind.name, kind.group, kind.blocks)
                self.faults.append(fault)
                group.create_task(self._inject(kind, fault, own, room))
                await asyncio.sleep(min(gap, 5 * self.plan.gap))

    async def _inject(self, kind: Kind, fault: Fault, chance: random.Random, room: asyncio.Semaphore) -> None:
        try:
            await kind.run(self.scene, fault, chance)
        except Exception as error:  # noqa: BLE001 - the run goes on, and says so at its end
            self.trouble.append(f"{kind.name}: {type(error).__name__}: {error}")
        finally:
            room.release()
            if fault.began is not None:
                fault.ended = time.time()
