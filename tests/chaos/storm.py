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
#: After so many that did not fire, none will.
_IN_VAIN = 20


@dataclass
class Storm:
    """Injects until enough have fired. `progress` is called now and then, with the seconds that passed."""

    plan: Plan
    scene: Scene
    progress: Callable[[float], None]
    faults: list[Fault] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)  #: faults that could not be injected as meant

    @property
    def fired(self) -> list[Fault]:
        """Those that took effect."""
        return [fault for fault in self.faults if fault.began is not None]

    async def blow(self) -> None:
        """Until the plan is fulfilled, or its time is over; then wait for those under way."""
        chance = random.Random(self.plan.seed)
        every = kinds(self.scene.store.breakings, one_writer=self.plan.store == "sqlite")
        cards = deal([kind for kind in every if re.search(self.plan.only, kind.name)], chance)
        room = asyncio.Semaphore(AT_ONCE)
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            while (elapsed := time.monotonic() - began) < 60 * self.plan.minutes:
                self.progress(elapsed)
                if len(self.fired) >= self.plan.faults or self._is_over():
                    break
                kind, own = next(cards), random.Random(chance.getrandbits(64))
                gap = chance.expovariate(1 / self.plan.gap)
                await room.acquire()
                fault = Fault(len(self.faults) + 1, kind.name, kind.group, kind.blocks, kind.channel)
                self.faults.append(fault)
                group.create_task(self._inject(kind, fault, own, room))
                await asyncio.sleep(min(gap, 5 * self.plan.gap))

    def _is_over(self) -> bool:
        """Whether none of the last faults fired: there is nothing left that would pass their points."""
        last = self.faults[-_IN_VAIN:]
        return len(last) == _IN_VAIN and all(fault.began is None for fault in last)

    async def _inject(self, kind: Kind, fault: Fault, chance: random.Random, room: asyncio.Semaphore) -> None:
        try:
            await kind.run(self.scene, fault, chance)
        except Exception as error:  # noqa: BLE001 - the run goes on, and says so at its end
            self.trouble.append(f"{kind.name}: {type(error).__name__}: {error}")
        finally:
            room.release()
            if fault.began is not None:
                fault.ended = time.time()
