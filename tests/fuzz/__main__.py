"""`python -m tests.fuzz`: send, look, print; exit 1 if anything is wrong."""

import argparse
import asyncio
import secrets
import signal
import sys
import tempfile
from pathlib import Path

from tests.fuzz.run import Run, run


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="make fuzz", description="Malformed requests and queue entries.")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="repeats what is sent")
    parser.add_argument("--count", type=int, default=10_000, help="how many are sent")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that it, too, leaves nothing running
    print(f"seed {chosen.seed}: {chosen.count} malformed requests and entries ...", flush=True)
    ran = asyncio.run(run(chosen.seed, chosen.count, Path(tempfile.mkdtemp(prefix="fuzz"))))
    print(told(ran))
    if ran.troubles:
        print(f"Again: make fuzz SEED={ran.seed} COUNT={ran.count}; logs and store are in {ran.folder}")
    return 1 if ran.troubles else 0


def told(ran: Run) -> str:
    """What there is to be said of it."""
    lines = [
        f"requests   {ran.requests.total()}: {_counts(ran.requests)}",
        f"answers    {_counts(ran.answers)}",
        f"entries    {ran.entries.total()}: {_counts(ran.entries)}; accepted or kept as refused: {ran.rows}",
        f"good       {len(ran.good)}, all sent" if not ran.troubles else f"good       {len(ran.good)}",
    ]
    for name, (base, peak, end) in ran.memory.items():
        lines.append(f"{name:10} {base >> 20} MB before, {peak >> 20} MB at most, {end >> 20} MB after")
    lines.append(f"{ran.seconds:.0f} s; wrong: {len(ran.troubles)}")
    return "\n".join([*lines, *ran.troubles[:40]])


def _counts(counter: object) -> str:
    return ", ".join(f"{what} {number}" for what, number in sorted(counter.items()))


if __name__ == "__main__":
    sys.exit(main())
