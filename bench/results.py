"""What the rounds come to: medians, how far they spread, and whether the targets hold."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from bench import machine
from bench.rounds import Measured
from bench.scenarios import LIMIT
from bench.targets import Target


@dataclass(frozen=True, slots=True)
class Row:
    """One target on one store."""

    group: str
    what: str
    store: str
    value: float  #: the median of all rounds
    low: float
    high: float
    bound: float
    stretch: float
    at_least: bool
    unit: str
    holds: bool
    holds_stretch: bool
    ours: float  #: median of what was measured of ours
    peer: float | None  #: and of the peer


def rows(measured: Measured, targets: Sequence[Target], stores: Sequence[str]) -> list[Row]:
    """A row for each target and store that was measured."""
    found = []
    for target in targets:
        for store in stores:
            values = [v for of in measured.rounds if (v := target.value(of, store)) is not None]
            if values:
                found.append(_row(measured, target, store, values))
    return found


def _row(measured: Measured, target: Target, store: str, values: Sequence[float]) -> Row:
    value = median(values)
    return Row(
        target.group, target.what, store, value, min(values), max(values), target.bound, target.stretch,
        target.at_least, target.unit, target.holds(value), target.holds(value, stretch=True),
        _median_of(measured, target.ours, store) or 0.0,
        target.peer and _median_of(measured, target.peer, store),
    )  # fmt: skip


def _median_of(measured: Measured, figure: tuple[str, str], store: str) -> float | None:
    name, of = figure
    found = [r.get(f"{name}/{store}", r.get(name, {})).get(of) for r in measured.rounds]
    values = [value for value in found if value is not None]
    return median(values) if values else None


def noise(measured: Measured) -> dict[str, float]:
    """How steady the machine was: what the same work took, and how far equal measurements lay apart."""
    middle = median(measured.probes)
    limit = _median_of(measured, (LIMIT, "per_second"), "")
    return {
        **({} if limit is None else {"smtpLimit": limit}),
        "probeMedianMs": middle,
        "probeSpread": (max(measured.probes) - min(measured.probes)) / middle,
        "loadBefore": measured.loads[0],
        "spreadOfRates": _spread(measured),
    }


def _spread(measured: Measured) -> float:
    """The largest (max − min) ÷ median of any rate."""
    spreads = [0.0]
    for name in {name for of in measured.rounds for name in of}:
        rates = [of[name]["per_second"] for of in measured.rounds if "per_second" in of.get(name, {})]
        if rates:
            spreads.append((max(rates) - min(rates)) / median(rates))
    return max(spreads)


def as_json(measured: Measured, table: Sequence[Row], options: dict[str, Any]) -> dict[str, Any]:
    """All of it, for bench/results.json."""
    return {
        "options": options,
        "machine": machine.describe(),
        "noise": noise(measured),
        "durability": measured.durability,
        "violations": measured.violations,
        "targets": [asdict(row) for row in table],
        "rounds": measured.rounds,
    }
