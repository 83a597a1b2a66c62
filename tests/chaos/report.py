"""One table of all runs, for the terminal, `bench/chaos.json` and `docs/chaos.md`."""

import json
import statistics
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.chaos.recovery import recoveries
from tests.chaos.run import Ran

_COLUMNS = {
    "store": "store",
    "seed": "seed",
    "faults": "faults",
    "accepted": "accepted",
    "lost": "lost",
    "doubledSms": "doubled SMS",
    "doubledEmail": "doubled e-mail (marked)",
    "unknownLeft": "unknown left",
    "recovery": "time to recover: median, max",
}


def summary(ran: Ran) -> dict[str, Any]:
    """One run as JSON."""
    findings = ran.findings
    recovered = recoveries(ran.storm.fired, findings.journeys)
    times = sorted(recovered.values())
    slowest = max(recovered, key=lambda number: recovered[number], default=None)
    return {
        "store": ran.plan.store,
        "seed": ran.plan.seed,
        "command": ran.plan.command,
        "faults": len(ran.storm.fired),
        "faultsByGroup": dict(Counter(fault.group for fault in ran.storm.fired)),
        "faultsByKind": dict(sorted(Counter(fault.kind for fault in ran.storm.fired).items())),
        "misbehavedRequests": ran.misbehaved,
        "accepted": findings.accepted,
        "deliveries": findings.deliveries,
        "states": dict(findings.states),
        "lost": findings.lost,
        "doubledSms": findings.doubled_sms,
        "doubledEmail": findings.doubled_email,
        "doubledEmailMarked": findings.marked_email,
        "unknownLeft": findings.unknown.total(),
        "unknownBecause": dict(findings.unknown),
        "notTakenIn": findings.not_taken_in,
        "recoveryMedian": round(statistics.median(times), 2) if times else None,
        "recoveryMax": round(times[-1], 2) if times else None,
        "slowestRecoveryAfter": next((f.kind for f in ran.storm.fired if f.number == slowest), None),
        "recoveriesMeasured": len(times),
        "slowestPost": round(ran.load.slowest, 2),
        "answers": ran.load.answers,
        "seconds": round(ran.seconds),
        "drainedAfter": round(ran.drained, 1),
        "violations": findings.violations,
        "violationCounts": dict(findings.counted),
    }


def table(summaries: Sequence[dict[str, Any]]) -> str:
    """The runs as a Markdown table."""
    lines = [f"| {' | '.join(_COLUMNS.values())} |", f"|{' --- |' * len(_COLUMNS)}"]
    for one in summaries:
        cells = {
            **one,
            "faults": f"{one['faults']:,}",
            "accepted": f"{one['accepted']:,}",
            "doubledEmail": f"{one['doubledEmail']} ({one['doubledEmailMarked']})",
            "recovery": f"{one['recoveryMedian']} s, {one['recoveryMax']} s",
        }
        lines.append(f"| {' | '.join(str(cells[name]) for name in _COLUMNS)} |")
    return "\n".join(lines)


def by_group(summaries: Sequence[dict[str, Any]]) -> str:
    """Which faults there were, as a Markdown table."""
    groups = sorted({group for one in summaries for group in one["faultsByGroup"]})
    lines = [
        f"| fault | {' | '.join(one['store'] for one in summaries)} |",
        "|" + " --- |" * (len(summaries) + 1),
    ]
    for group in groups:
        counts = (str(one["faultsByGroup"].get(group, 0)) for one in summaries)
        lines.append(f"| {group} | {' | '.join(counts)} |")
    return "\n".join(lines)


def write(summaries: Sequence[dict[str, Any]], path: Path) -> None:
    """Keep the results."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(list(summaries), indent=2) + "\n", encoding="utf-8")
