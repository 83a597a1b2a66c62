"""How long after each fault the queue moved again: an acceptance of what waited then, or came next.

Leases aside: a Delivery that a worker held when the fault ended waits for its lease, and proves nothing.
While another fault lasts that lets nothing move, the clock does not run.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from tests.chaos.scene import Fault


@dataclass(frozen=True, slots=True)
class Journey:
    """One Delivery: when it was accepted by us and by its provider, and the attempts that held it."""

    since: float  #: seconds since the epoch, like all here
    arrived: float
    held: Sequence[tuple[float, float]]

    def held_at(self, moment: float) -> bool:
        """Whether a worker held it then."""
        return any(begin <= moment <= end for begin, end in self.held)


def recoveries(faults: Sequence[Fault], journeys: Sequence[Journey]) -> Mapping[int, float]:
    """Seconds, by the fault's number; of those after which anything was still to be sent."""
    ordered = sorted(journeys, key=lambda journey: journey.arrived)
    arrivals = [journey.arrived for journey in ordered]
    blocking = [(f.began, f.ended) for f in faults if f.blocks and f.began and f.ended]
    found = {}
    for fault in faults:
        if fault.ended is not None:
            seconds = _recovery(fault.ended, ordered, arrivals, blocking)
            if seconds is not None:
                found[fault.number] = seconds
    return found


def _recovery(
    start: float,
    journeys: Sequence[Journey],
    arrivals: Sequence[float],
    blocking: Sequence[tuple[float, float]],
) -> float | None:
    while True:
        after = islice(journeys, bisect_left(arrivals, start), None)
        first = next((journey for journey in after if not journey.held_at(start)), None)
        if first is None:
            return None
        later = [end for begin, end in blocking if begin < first.arrived and end > start]
        if not later:
            return first.arrived - max(start, first.since)
        start = max(later)
