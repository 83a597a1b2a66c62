"""The ringer: it rings for what was accepted, and for nothing else."""

from collections.abc import Iterable

from intake.ringer import Ringer
from messages.delivery import Lane


class Bell:
    """Notes what was rung."""

    def __init__(self) -> None:
        self.rung: list[tuple[list[tuple[str, Lane]], int | None]] = []

    def ring(self, waiting: Iterable[tuple[str, Lane]], rung_at: int | None = None) -> bool:
        self.rung.append((list(waiting), rung_at))
        return True


def test_nothing_to_ring_for_rings_nothing():
    bell = Bell()
    ringer = Ringer(bell)

    ringer.ring([], 7)
    ringer.close()

    assert bell.rung == []
