"""How long after each fault the queue moved again: an acceptance of what waited then, or came next.

Leases aside: a Delivery that a worker held when the fault ended waits for its lease, and proves nothing.
While another fault lasts that lets nothing move, the clock does not run. After a fault of a provider, it is
its own channel that must move.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from tests.chaos.scene import Fault


@dataclass(frozen=True, slots=True)
class Journey:
    """One Delivery: when it was accepted by us and by its provider, and the attempts that held it."""

    channel: str
    since: float  #: seconds since the epoch, like all here
    arrived: float
    held: Sequence[tuple[float, float]]

    def held_at(self, moment: float) -> bool:
        """Whether a worker held it then."""
        return any(begin <= moment <= end for begin, end in self.held)


def recoveries(faults: Sequence[Fault], journeys: Sequence[Journey]) -> Mapping[int, float]:
    """Seconds, by the fault's number; of those after which anything was still to be sent."""
    by_channel: dict[str | None, list[Journey]] = {None: sorted(journeys, key=lambda j: j.arrived)}
    for channel in {journey.channel for journey in journeys}:
        by_channel[channel] = [journey for journey in by_channel[None] if journey.channel == channel]
    arrivals = {channel: [j.arrived for j in ordered] for channel, ordered in by_channel.items()}
    found = {}
    for fault in faults:
        if fault.ended is None:
            continue
        ordered = by_channel.get(fault.channel, [])
        after = islice(ordered, bisect_left(arrivals.get(fault.channel, []), fault.ended), None)
        first = next((journey for journey in after if not journey.held_at(fault.ended)), None)
        if first is not None:
            start = max(fault.ended, first.since)
            blocked = _length(_blocking(faults, first.channel, start, first.arrived))
            found[fault.number] = first.arrived - start - blocked
    return found


def _blocking(
    faults: Sequence[Fault], channel: str, start: float, end: float
) -> Iterator[tuple[float, float]]:
    for fault in faults:
        if not fault.blocks or fault.began is None or fault.ended is None:
            continue
        if fault.channel in (None, channel) and fault.began < end and fault.ended > start:
            yield max(fault.began, start), min(fault.ended, end)


def _length(spans: Iterator[tuple[float, float]]) -> float:
    """Of all of them together; where they overlap, once."""
    total, reached = 0.0, float("-inf")
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total
