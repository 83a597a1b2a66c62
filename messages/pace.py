"""Pace: when a sender's next hand-over may begin, so that it never exceeds its rate. Pure.

A virtual scheduling line for each sender (GCRA without burst), of three instants in µs, by any one clock:

gate   nothing is handed over before it; each hand-over moves it on by what that costs. This alone is the rate
tail   the next who comes finds a place here; those who wait have the places before, in the order they came
late   likewise for those who came at their place and found the gate shut: an outage makes many late, and
       they are not to come all at once, nor again and again

A place is no leave to send: whoever comes at its place asks again, `placed`, and then it is the gate that
decides. So a place that nobody used, or that many use too late, costs the provider nothing.

`worker.shared_lines` has the same decision as a script for Redis; a test holds the two together.
"""

from dataclasses import dataclass, replace
from math import ceil

#: So long somebody who is let through may have to wait for it, in µs; who would wait longer has a place.
PATIENCE = 2_000_000

SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Line:
    """The line before one sender. All zero: nobody was there lately."""

    gate: int = 0
    tail: int = 0
    late: int = 0

    @property
    def end(self) -> int:
        """From then on it is as if it had never been."""
        return max(self.gate, self.tail, self.late)


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody who asks is told."""

    go: bool  #: True: hand over when `wait` is over. False: come again then, with a place
    wait: int  #: µs


@dataclass(frozen=True, slots=True)
class Demand:
    """What one hand-over takes of its sender's rate."""

    sender: str  #: names the line, for us only
    per_second: float
    amount: int  #: segments, or messages

    @property
    def cost(self) -> int:
        """How long the sender is busy with it, in µs."""
        return ceil(self.amount * SECOND / self.per_second)


def ask(line: Line, cost: int, now: int, *, placed: bool, patience: int = PATIENCE) -> tuple[Line, Answer]:
    """The line afterwards, and the answer. `placed`: it had a place, whose time has come."""
    first = max(now, line.gate)
    nobody_before = placed or max(line.tail, line.late) <= now
    if nobody_before and first - now <= patience:
        return replace(line, gate=first + cost), Answer(True, first - now)
    if placed:
        place = max(first, line.late)
        return replace(line, late=place + cost), Answer(False, place - now)
    place = max(first, line.tail, line.late)
    return replace(line, tail=place + cost), Answer(False, place - now)
