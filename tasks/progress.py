"""Progress: what begins and what ends in a process is written together, one commit for all that came."""

from collections.abc import Sequence

from messages.clock import Clock
from messages.delivery import Beginning
from messages.group import Group
from messages.store import Result, Store

#: Between two commits under load, in seconds: so much longer an outcome is known to this process only.
GATHER = 0.006


class Progress:
    """Writes Beginnings and Results. Use it on one event loop."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._group = Group[Beginning | Result, bool](self._write, gather=GATHER)
        self._alone = Group[Beginning, bool](self._claim_and_begin)

    async def begin(self, beginning: Beginning) -> bool:
        """Whether the claim is still held: then it may go on the wire. Raises StoreUnavailable."""
        return await self._group.submit(beginning)

    async def claim_and_begin(self, beginning: Beginning) -> bool:
        """Likewise of what was only found, whether it is claimed now. Raises StoreUnavailable."""
        return await self._alone.submit(beginning)

    async def record(self, result: Result) -> bool:
        """Whether the claim was still held; if not, nothing is written. Raises StoreUnavailable."""
        return await self._group.submit(result)

    async def close(self) -> None:
        """Finish what waits."""
        await self._alone.close()
        await self._group.close()

    def _claim_and_begin(self, begun: Sequence[Beginning]) -> list[bool]:
        return self._store.claim_and_begin(begun, self._clock())

    def _write(self, entries: Sequence[Beginning | Result]) -> list[bool]:
        begun = [entry for entry in entries if isinstance(entry, Beginning)]
        results = [entry for entry in entries if isinstance(entry, Result)]
        held, recorded = map(iter, self._store.write_progress(begun, results, self._clock()))
        return [next(held if isinstance(entry, Beginning) else recorded) for entry in entries]
