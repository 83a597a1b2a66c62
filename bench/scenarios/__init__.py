"""The measurements, by name."""

from collections.abc import Callable, Sequence
from functools import partial

from bench.figures import Figures
from bench.rounds import Measurement
from bench.scenarios import drain, growth, intake, lasting, limits, sending
from bench.stage import Stage

_ON_A_STORE: dict[str, Callable[[Stage, str], Figures]] = {
    "drain": drain.drain,
    "post_office": drain.post_office,
    "sms": sending.send_sms,
    "entrance": sending.entrance,
    "intake": intake.intake,
    "latency": intake.latency,
    "growth": growth.growth,
    "memory": lasting.memory,
    "backlog": lasting.backlog,
    "fairness": lasting.fairness,
}

#: No target needs it; it shows that the others measure what they are to measure.
LIMIT = "smtp_limit"

_ON_NONE: dict[str, Callable[[Stage], Figures]] = {
    "empty_task": drain.empty_task,
    "task_per_message": drain.task_per_message,
    "delay_endpoint": intake.delay_endpoint,
    "validating_endpoint": intake.validating_endpoint,
    "peer_latency": intake.peer_latency,
    LIMIT: limits.smtp_limit,
}

#: These take minutes, and measure by counting or interleave by themselves.
_ONCE = {LIMIT, "growth", "memory", "backlog", "fairness"}

#: For some seconds each, in turn, so often in a round.
_TURNS = {"latency": 3, "peer_latency": 3}


def measurements(names: Sequence[str], stores: Sequence[str]) -> list[Measurement]:
    """Those of these names, ours and peers in turn; each that needs a store, on every store."""
    found = []
    for name in dict.fromkeys(names):
        runs, turns = 1 if name in _ONCE else 100, _TURNS.get(name, 1)
        if name in _ON_NONE:
            found.append(Measurement(name, _ON_NONE[name], runs, turns))
        else:
            found += [Measurement(f"{name}/{on}", partial(_on_store, name, on), runs, turns) for on in stores]
    return found


def _on_store(name: str, store: str, stage: Stage) -> Figures:
    return _ON_A_STORE[name](stage, store)
