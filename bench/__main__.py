"""`python -m bench`: measure, write the results, print the table; exit 1 if anything was lost or doubled."""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import plot, report, results
from bench.figures import Sizes
from bench.plot import PICTURE, RESULTS
from bench.results import Row
from bench.rounds import Measured, measure
from bench.scenarios import LIMIT, measurements
from bench.stage import Stage, alone_on_stage
from bench.stores import STORES
from bench.targets import Target, chosen
from messages.settings import PROJECT_ROOT

README = PROJECT_ROOT / "README.md"

#: What is quoted is the median of so many rounds.
FULL_RUNS = 5


def main() -> int:
    """The exit code."""
    options = _options()
    alone_on_stage()
    targets = chosen(options.only)
    stores = list(STORES) if options.store == "both" else [options.store]
    measured = _measure(options, targets, stores)
    rows = results.rows(measured, targets, stores)
    told = results.as_json(measured, rows, vars(options))
    print(f"\n{report.table(rows)}\n\n{report.noise(results.noise(measured))}")
    _write(options, told, rows)
    for violation in measured.violations:
        print(f"FAILED {violation}", file=sys.stderr)
    return int(bool(measured.violations))


def _measure(options: argparse.Namespace, targets: list[Target], stores: list[str]) -> Measured:
    names = [name for target in targets for name in target.measurements]
    due = measurements([LIMIT, *names], stores)
    folder = Path(tempfile.mkdtemp(prefix="roundsman-bench-"))
    print(f"{len(due)} measurements, {options.runs} rounds, in {folder} …", flush=True)
    with Stage(folder, stores, Sizes(options.scale)) as stage:
        measured = measure(stage, due, options.runs, lambda line: print(line, flush=True))
    if not measured.violations and not options.keep:
        shutil.rmtree(folder, ignore_errors=True)
    return measured


def _write(options: argparse.Namespace, told: dict[str, Any], rows: Sequence[Row]) -> None:
    """Only a full run that lost nothing replaces what the README shows; others are kept beside the data."""
    shown = is_full(options) and not told["violations"]
    target = RESULTS if shown else PROJECT_ROOT / "var" / "bench" / "results.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    plot.draw(told, PICTURE if shown else target.with_suffix(".svg"))
    if shown:
        README.write_text(report.shown_in(README.read_text(encoding="utf-8"), rows), encoding="utf-8")
    else:
        print(f"Not what the README shows: no full run, or one that failed. It is in {target.parent}.")


def is_full(options: argparse.Namespace) -> bool:
    """Whether all is measured, as large and as often as it is meant to be."""
    everything = not options.only and options.store == "both"
    return everything and options.scale >= 1 and options.runs >= FULL_RUNS


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("bench", description=__doc__)
    parser.add_argument("--only", default="", help="a regular expression: only such groups of targets")
    parser.add_argument("--runs", type=int, default=FULL_RUNS, help="rounds; what is quoted is the median")
    parser.add_argument("--store", choices=[*STORES, "both"], default="both")
    parser.add_argument("--scale", type=float, default=1.0, help="of all sizes; below 1 for quick looks")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the logs")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
