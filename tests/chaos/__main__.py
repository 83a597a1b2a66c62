"""`python -m tests.chaos`: run, print the table, exit 1 on any violation."""

import argparse
import asyncio
import secrets
import shutil
import signal
import sys
from pathlib import Path

from messages.settings import PROJECT_ROOT
from tests.chaos import report
from tests.chaos.plan import Plan
from tests.chaos.run import run
from tests.chaos.stores import STORES

_CHOSEN = ("seed", "messages", "faults", "minutes", "gap", "only", "workers", "time_out", "lease")
_TOLD = (
    "states", "unknownBecause", "faultsByKind", "answers", "slowestPost", "slowestRecoveryAfter",
    "notTakenIn",
)  # fmt: skip


def main() -> int:
    """The exit code."""
    options = _options()
    names = list(STORES) if options.store == "both" else [options.store]
    summaries = []
    for name in names:
        chosen = {field: getattr(options, field) for field in _CHOSEN}
        plan = Plan(store=name, **chosen)
        print(f"{plan.messages} messages and {plan.faults} faults on {name}, seed {plan.seed} …", flush=True)
        ran = asyncio.run(run(plan))
        summaries.append(report.summary(ran))
        _tell(plan, summaries[-1], keep=options.keep)
    print(f"\n{report.table(summaries)}\n\n{report.by_group(summaries)}")
    if options.write:
        report.write(summaries, Path(options.write))
    return int(any(one["violations"] for one in summaries))


def _tell(plan: Plan, summary: dict[str, object], *, keep: bool) -> None:
    for name in _TOLD:
        print(f"  {name}: {summary[name]}")
    print(f"  {summary['seconds']} s, the last {summary['drainedAfter']} s to drain")
    violations = summary["violations"]
    if violations:
        print(f"\nVIOLATIONS: {summary['violationCounts']}", *violations, sep="\n  ")
        print(f"Replay it: {plan.command}\nIts logs and its database: {plan.folder}")
    elif not keep:
        shutil.rmtree(plan.folder, ignore_errors=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--store", choices=[*STORES, "both"], default="both")
    parser.add_argument("--messages", type=int, default=3000)
    parser.add_argument("--faults", type=int, default=75)
    parser.add_argument("--minutes", type=float, default=60, help="no new faults after this time")
    parser.add_argument("--gap", type=float, default=1.0, help="mean seconds between two faults")
    parser.add_argument("--only", default="", help="a regular expression: only faults whose names have it")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--time-out", type=float, default=2.0, help="of one hand-over, in seconds")
    parser.add_argument("--lease", type=float, default=7.0, help="seconds")
    parser.add_argument("--write", default=str(PROJECT_ROOT / "bench" / "chaos.json"), help="'' for nowhere")
    parser.add_argument("--keep", action="store_true", help="keep the folder of a run without violations")
    return parser.parse_args()


if __name__ == "__main__":
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell starts what is in the background without
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
