"""What is to come of it: a figure of ours against a bound, or against a peer's of that round."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.figures import Figures

#: A measurement's name and one of its figures.
Figure = tuple[str, str]

#: One round: figures by measurement, `drain/sqlite`; those that need no store without it: `empty_task`.
Round = Mapping[str, Figures]


@dataclass(frozen=True, slots=True)
class Target:
    """One row of the table. Without a peer, the figure itself is compared with the bounds."""

    group: str
    what: str
    ours: Figure
    bound: float
    stretch: float
    peer: Figure | None = None
    at_least: bool = True
    unit: str = "×"

    def value(self, of: Round, store: str) -> float | None:
        """The ratio or figure of one round, or None where it was not measured in it."""
        ours, peer = _look_up(of, self.ours, store), self.peer and _look_up(of, self.peer, store)
        if self.peer is None or ours is None:
            return ours
        return ours / peer if peer else None

    def holds(self, value: float, *, stretch: bool = False) -> bool:
        """Whether a value is good enough."""
        bound = self.stretch if stretch else self.bound
        return value >= bound if self.at_least else value <= bound

    @property
    def measurements(self) -> Sequence[str]:
        """The names of the measurements it needs."""
        return [self.ours[0]] if self.peer is None else [self.ours[0], self.peer[0]]


def _look_up(of: Round, figure: Figure, store: str) -> float | None:
    measured = of.get(f"{figure[0]}/{store}", of.get(figure[0], {}))
    return measured.get(figure[1])


def chosen(only: str) -> list[Target]:
    """Those whose group fits the regular expression; all without one."""
    return [target for target in TARGETS if not only or re.search(only, target.group)]


_EMPTY, _OFFICE, _TASK = (
    ("empty_task", "per_second"),
    ("post_office", "per_second"),
    ("task_per_message", "per_second"),
)
_DRAIN, _SMS, _ENTRANCE = ("drain", "per_second"), ("sms", "per_second"), ("entrance", "per_second")
_INTAKE, _DELAY, _VALIDATING = (
    ("intake", "per_second"), ("delay_endpoint", "per_second"), ("validating_endpoint", "per_second"),
)  # fmt: skip


def _at_most(group: str, what: str, ours: Figure, bound: float, stretch: float, **more: Any) -> Target:
    return Target(group, what, ours, bound, stretch, at_least=False, **more)


TARGETS = [
    Target("drain", "Drain of a backlog of e-mails ÷ empty Celery tasks", _DRAIN, 2.0, 3.0, _EMPTY),
    Target("drain", "The same ÷ django-post_office, two processes each", _DRAIN, 1.8, 2.5, _OFFICE),
    Target("drain", "The same ÷ a task and a connection for each e-mail", _DRAIN, 10, 15, _TASK),
    Target("sms", "SMS, answered after 150 ms ÷ empty Celery tasks", _SMS, 1.0, 2.0, _EMPTY),
    Target("entrance", "`tasks.accept`, a Message each ÷ empty Celery tasks", _ENTRANCE, 0.6, 0.9, _EMPTY),
    Target("intake", "Durable accepts ÷ FastAPI + `task.delay()`, not stored", _INTAKE, 3.5, 5, _DELAY),
    Target("intake", "The same ÷ the same endpoint, only validating", _INTAKE, 0.4, 0.6, _VALIDATING),
    _at_most("latency", "POST → accepted by SMTP at 100/s, p50 ÷ a task for each", ("latency", "p50"),
             1.0, 0.5, peer=("peer_latency", "p50")),
    _at_most("latency", "The same, p99", ("latency", "p99"), 1.0, 0.5, peer=("peer_latency", "p99")),
    Target("growth", "Drain with 1,000,000 stored ÷ with 10,000", ("growth", "drain"), 0.9, 0.97),
    Target("growth", "Accepts with 1,000,000 stored ÷ with 10,000", ("growth", "accept"), 0.9, 0.97),
    _at_most("growth", "Show, p99, with 1,000,000 stored ÷ with 10,000", ("growth", "show"), 3, 1.2),
    _at_most("growth", "List with its totals, p99, likewise", ("growth", "list"), 3, 1.2),
    _at_most("memory", "Memory of a worker after 200,000 e-mails ÷ after 10,000", ("memory", "ratio"),
             1.1, 1.02),
    _at_most("backlog", "Broker memory for each of 100,000 that wait", ("backlog", "bytes_each"), 100, 40,
             unit="bytes"),
    _at_most("fairness", "A single Message beside a bulk of 100,000: its longest wait",
             ("fairness", "longest"), 1.0, 0.25, unit="s"),
]  # fmt: skip
