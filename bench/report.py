"""The results for people: tables in Markdown, and sentences about the noise."""

import re
from collections.abc import Mapping, Sequence
from itertools import groupby

from bench.results import Row

#: Where the README shows the last full run.
_SHOWN = re.compile(r"(?<=<!-- bench -->\n).*?(?=\n<!-- /bench -->)", re.DOTALL)

_HEAD = (
    "| | store | measured | between | target | stretch | |\n| --- | --- | ---: | ---: | ---: | ---: | :---: |"
)


def table(rows: Sequence[Row]) -> str:
    """One line a target and store; ✓ it holds, ✓✓ the stretch too, ✗ it does not."""
    return "\n".join([_HEAD, *map(_line, rows)])


def brief(rows: Sequence[Row]) -> str:
    """One line a target: on each store the median and, in brackets, the least and the most."""
    lines = [list(of) for _, of in groupby(rows, key=lambda row: row.what)]
    stores = [row.store for row in lines[0]]
    head = f"| | {' | '.join(stores)} | target |\n| --- | {'---: | ' * len(stores)}---: |"
    return "\n".join([head, *map(_brief_line, lines)])


def _brief_line(of: Sequence[Row]) -> str:
    measured = [
        f"**{_number(row.value, row.unit)}**"
        + ("" if row.low == row.high else f" ({_number(row.low, '')} … {_number(row.high, '')})")
        for row in of
    ]
    return f"| {of[0].what} | {' | '.join(measured)} | {_bound(of[0])} |"


def shown_in(readme: str, rows: Sequence[Row]) -> str:
    """The README with this run's table in place of the last one's."""
    return _SHOWN.sub(lambda _: brief(rows), readme)


def _line(row: Row) -> str:
    mark = "✓✓" if row.holds_stretch else "✓" if row.holds else "✗"
    measured = f"**{_number(row.value, row.unit)}**"
    if row.peer is not None:
        measured += f" ({_number(row.ours, '')} ÷ {_number(row.peer, '')})"
    between = f"{_number(row.low, '')} … {_number(row.high, '')}"
    bounds = f"{_bound(row)} | {_number(row.stretch, '')}"
    return f"| {row.what} | {row.store} | {measured} | {between} | {bounds} | {mark} |"


def _bound(row: Row) -> str:
    return f"{'≥' if row.at_least else '≤'} {_number(row.bound, '')}"


def _number(value: float, unit: str) -> str:
    text = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits
    return f"{text} {unit}".strip() if unit else text


def noise(told: Mapping[str, float]) -> str:
    """How far the figures can be trusted."""
    text = (
        f"The same piece of work took {told['probeMedianMs']:.0f} ms, give or take "
        f"{told['probeSpread'] / 2:.0%}; equal rates lay up to {told['spreadOfRates']:.0%} apart; "
        f"the load before was {told['loadBefore']:.1f}."
    )
    if "smtpLimit" in told:
        text += f" The SMTP server alone takes {told['smtpLimit']:,.0f} e-mails a second."
    return text
