"""Rounds: every measurement once, then again. What drifts with the machine drifts for all of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bench import machine
from bench.figures import Figures
from bench.stage import Stage


@dataclass(frozen=True, slots=True)
class Measurement:
    """A name, and what measures it. `max_runs`: for those that take minutes and hardly vary."""

    name: str
    run: Callable[[Stage], Figures]
    max_runs: int = 100


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
        for one in due if number % 2 == 0 else reversed(due):
            tell(f"{number + 1}/{runs} {one.name}: {_measure(stage, one, measured)}")
    return measured


def _measure(stage: Stage, one: Measurement, measured: Measured) -> str:
    """Add to the present round; returns what to tell of it."""
    stage.clear()
    measured.probes.append(machine.probe())
    measured.loads.append(machine.load())
    try:
        figures = measured.rounds[-1][one.name] = one.run(stage)
    except Exception as error:  # noqa: BLE001 - the others are measured all the same, and the run has failed
        measured.violations.append(f"{one.name}: {type(error).__name__}: {error}")
        return f"FAILED: {type(error).__name__}: {error}"
    shown = "  ".join(f"{name} {value:,.4g}" for name, value in figures.items())
    return f"{shown}  (probe {measured.probes[-1]:.0f} ms)"
