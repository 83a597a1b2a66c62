"""What measurements have in common: their figures, their sizes, and what makes one worthless."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: What one measurement gives: by name, a number each.
Figures = Mapping[str, float]

#: The part of a backlog that is not counted: while it is sent, processes start and connections are opened.
WARM_UP = 0.1


class Violation(Exception):
    """Something was lost or doubled; a figure measured meanwhile means nothing."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is sent. `scale` shrinks all of it, for quick looks."""

    scale: float = 1.0

    def of(self, full: int, least: int = 200) -> int:
        """`full`, scaled."""
        return max(min(full, least), int(full * self.scale))

    def seconds(self, full: float) -> float:
        """A duration, scaled, but long enough to see something."""
        return max(3.0, full * min(1.0, self.scale * 2))


def rate(times: Sequence[float], end: float) -> float:
    """Messages a second: from where the warm-up is over, to `end`, when all was sent and recorded.

    `times`: of each acceptance, in order, on the clock of `end`.
    """
    skipped = int(len(times) * WARM_UP)
    return (len(times) - 1 - skipped) / (max(end, times[-1]) - times[skipped])


def percentile(values: Sequence[float], part: float) -> float:
    """The value below which that part of the values lies; of few values, the largest."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]
