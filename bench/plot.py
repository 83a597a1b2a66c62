"""`python -m bench.plot`: draws bench/results.json as docs/images/bench.svg."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from messages.settings import PROJECT_ROOT

RESULTS = PROJECT_ROOT / "bench" / "results.json"
PICTURE = PROJECT_ROOT / "docs" / "images" / "bench.svg"

_OURS, _PEER, _INK, _FAINT = "#1f6f5c", "#b9c0c7", "#24292f", "#6e7781"


@dataclass(frozen=True, slots=True)
class Bar:
    """One measurement: the median of its rounds, and the least and most of them."""

    label: str
    measurement: str
    figure: str = "per_second"
    unit: float = 1  #: what of the figure is shown as 1

    @property
    def is_ours(self) -> bool:
        """Whether it is Roundsman's."""
        return self.label.startswith("Roundsman")

    def values(self, results: dict[str, Any]) -> list[float]:
        """What it was in each round."""
        found = [of.get(self.measurement, {}).get(self.figure) for of in results["rounds"]]
        return [value / self.unit for value in found if value is not None]


_PANELS: dict[str, Sequence[Bar]] = {
    "A backlog of e-mails: sent a second": (
        Bar("Roundsman, PostgreSQL", "drain/postgresql"),
        Bar("Roundsman, SQLite", "drain/sqlite"),
        Bar("django-post_office, PostgreSQL", "post_office/postgresql"),
        Bar("django-post_office, SQLite", "post_office/sqlite"),
        Bar("Celery, a task that does nothing", "empty_task"),
        Bar("Celery + aiosmtplib, a task each", "task_per_message"),
    ),
    "SMS, answered after 150 ms: sent a second": (
        Bar("Roundsman, PostgreSQL", "sms/postgresql"),
        Bar("Roundsman, SQLite", "sms/sqlite"),
        Bar("Celery, a task that does nothing", "empty_task"),
    ),
    "POST with 64 connections: answered a second": (
        Bar("Roundsman, PostgreSQL", "intake/postgresql"),
        Bar("Roundsman, SQLite", "intake/sqlite"),
        Bar("the same, checked but not stored", "validating_endpoint"),
        Bar("FastAPI + task.delay(), not stored", "delay_endpoint"),
    ),
    "From POST to the SMTP server at 100/s, 99 % within: milliseconds": (
        Bar("Roundsman, PostgreSQL", "latency/postgresql", "p99", 0.001),
        Bar("Roundsman, SQLite", "latency/sqlite", "p99", 0.001),
        Bar("FastAPI + Celery + aiosmtplib", "peer_latency", "p99", 0.001),
    ),
}


def draw(results: dict[str, Any], picture: Path) -> None:
    """One panel for each kind of measurement that there is; nothing where there is none."""
    import matplotlib as mpl  # noqa: PLC0415 - slow to load, and only the end of a run needs it

    mpl.use("svg")
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "bench", "font.family": "sans-serif"})
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after `use`

    panels = {title: _measured(bars, results) for title, bars in _PANELS.items()}
    panels = {title: bars for title, bars in panels.items() if bars}
    if not panels:
        return
    heights = [len(bars) + 1.1 for bars in panels.values()]
    size = (8, 0.36 * sum(heights))
    figure, axes = plt.subplots(
        len(panels), figsize=size, height_ratios=heights, squeeze=False, layout="constrained"
    )
    for axis, (title, bars) in zip(axes[:, 0], panels.items(), strict=True):
        _panel(axis, title, bars)
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, metadata={"Date": None})
    plt.close(figure)


def _measured(bars: Sequence[Bar], results: dict[str, Any]) -> list[tuple[Bar, list[float]]]:
    return [(bar, values) for bar in bars if (values := bar.values(results))]


def _panel(axis: Any, title: str, bars: Sequence[tuple[Bar, list[float]]]) -> None:
    labels = [bar.label for bar, _ in bars]
    middle = [median(values) for _, values in bars]
    reach = [
        [m - min(values) for m, (_, values) in zip(middle, bars, strict=True)],
        [max(values) - m for m, (_, values) in zip(middle, bars, strict=True)],
    ]
    colours = [_OURS if bar.is_ours else _PEER for bar, _ in bars]
    axis.barh(labels, middle, color=colours, height=0.66, xerr=reach, error_kw={"ecolor": _FAINT, "lw": 1})
    for position, (value, most) in enumerate(zip(middle, reach[1], strict=True)):
        text = f"  {value:,.0f}" if value >= 10 else f"  {value:.2g}"  # noqa: PLR2004 - two digits
        axis.text(value + most, position, text, va="center", fontsize=9, color=_INK)
    axis.set_title(title, loc="left", fontsize=10, fontweight="bold", color=_INK)
    axis.set_xlim(0, 1.15 * max(m + r for m, r in zip(middle, reach[1], strict=True)))
    axis.set_ylim(len(bars) - 0.5, -0.5)
    axis.tick_params(length=0, labelsize=9, labelcolor=_INK)
    axis.set_xticks([])
    for side in axis.spines.values():
        side.set_visible(False)


if __name__ == "__main__":
    draw(json.loads(RESULTS.read_text(encoding="utf-8")), PICTURE)
