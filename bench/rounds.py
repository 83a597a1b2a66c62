"""Rounds: every measurement once, then again. What drifts with the machine drifts for all of them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from statistics import median

from bench import machine
from bench.figures import Figures
from bench.stage import Stage


@dataclass(frozen=True, slots=True)
class Measurement:
    """A name, and what measures it. `max_runs`: for those that take minutes and hardly vary.

    `turns`: for those that depend on moods of the machine that last for half a minute. In each round they are
    measured so often, in turn with their neighbours of as many, and each figure is the median.
    """

    name: str
    run: Callable[[Stage], Figures]
    max_runs: int = 100
    turns: int = 1


@dataclass
class Measured:
    """What all rounds gave."""

    rounds: list[dict[str, Figures]] = field(default_factory=list)
    probes: list[float] = field(default_factory=list)  #: ms, before each measurement
    loads: list[float] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    durability: dict[str, Mapping[str, str]] = field(default_factory=dict)  #: by store: what its server says


def measure(
    stage: Stage, measurements: Sequence[Measurement], runs: int, tell: Callable[[str], None]
) -> Measured:
    """Measure all, `runs` times; every other round the other way round."""
    measured = Measured(durability={name: store.durability() for name, store in stage.stores.items()})
    for number in range(runs):
        measured.rounds.append({})
        due = [one for one in measurements if number < one.max_runs]
        found: dict[str, list[Figures]] = {}
        for one in in_turn(due if number % 2 == 0 else due[::-1]):
            figures = _measure(stage, one, measured)
            if figures is not None:
                found.setdefault(one.name, []).append(figures)
            tell(f"{number + 1}/{runs} {one.name}: {_shown(figures, measured)}")
        measured.rounds[-1].update({name: medians(turns) for name, turns in found.items()})
    return measured


def in_turn(due: Iterable[Measurement]) -> Iterable[Measurement]:
    """In this order; neighbours that take turns forwards and backwards."""
    for turns, group in groupby(due, key=lambda one: one.turns):
        neighbours = list(group)
        for turn in range(turns):
            yield from neighbours if turn % 2 == 0 else reversed(neighbours)


def medians(turns: Sequence[Figures]) -> Figures:
    """Of each figure."""
    return {name: median(figures[name] for figures in turns) for name in turns[0]}


def _measure(stage: Stage, one: Measurement, measured: Measured) -> Figures | None:
    """What it gave; None: it failed, which is noted."""
    stage.clear()
    measured.probes.append(machine.probe())
    measured.loads.append(machine.load())
    try:
        return one.run(stage)
    except Exception as error:  # noqa: BLE001 - the others are measured all the same, and the run has failed
        measured.violations.append(f"{one.name}: {type(error).__name__}: {error}")
        return None


def _shown(figures: Figures | None, measured: Measured) -> str:
    if figures is None:
        return f"FAILED: {measured.violations[-1]}"
    shown = "  ".join(f"{name} {value:,.4g}" for name, value in figures.items())
    return f"{shown}  (probe {measured.probes[-1]:.0f} ms)"
