"""Requests from the runner: starts `bench.load` and reads what it found."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from bench.figures import WARM_UP, Violation
from bench.processes import DidNotHappenError, bare_environment, python
from messages.settings import PROJECT_ROOT

#: Keep-alive connections of the producers.
CONNECTIONS = 64


@dataclass(frozen=True, slots=True)
class Answers:
    """All were 200. `sent`: (number, when it was due, when it was answered)."""

    sent: Sequence[tuple[int, float, float]]
    busy: float  #: how much of a core the client needed; near 1 it was the bottleneck

    @property
    def per_second(self) -> float:
        """Answers a second, once it was warm."""
        times = sorted(until for _, _, until in self.sent)
        skipped = int(len(times) * WARM_UP)
        return (len(times) - 1 - skipped) / (times[-1] - times[skipped])

    @property
    def waits(self) -> list[float]:
        """Seconds until each answer, once it was warm."""
        return [until - since for _, since, until in self.sent[int(len(self.sent) * WARM_UP) :]]


def ask(port: int, *options: str, connections: int = CONNECTIONS, patience: float = 600) -> Answers:
    """Run `bench.load`. Raises Violation for any answer but 200."""
    argv = python("-m", "bench.load", str(port), *options, "--connections", str(connections))
    done = subprocess.run(  # noqa: S603 - our own command
        argv, cwd=PROJECT_ROOT, env=bare_environment(), capture_output=True, timeout=patience, check=False
    )
    if done.returncode:
        raise DidNotHappenError(f"the client failed: {done.stderr.decode()[-500:]}")
    told = orjson.loads(done.stdout)
    if set(told["statuses"]) != {"200"}:
        raise Violation(f"not every answer was 200: {told['statuses']}")
    return Answers([tuple(one) for one in told["sent"]], told["busy"])
