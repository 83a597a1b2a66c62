"""The results for people: a table in Markdown, and sentences about the noise."""

from collections.abc import Mapping, Sequence

from bench.results import Row

_HEAD = (
    "| | store | measured | between | target | stretch | |\n| --- | --- | ---: | ---: | ---: | ---: | :---: |"
)


def table(rows: Sequence[Row]) -> str:
    """One line a target and store; ✓ it holds, ✓✓ the stretch too, ✗ it does not."""
    return "\n".join([_HEAD, *map(_line, rows)])


def _line(row: Row) -> str:
    sign = "≥" if row.at_least else "≤"
    mark = "✓✓" if row.holds_stretch else "✓" if row.holds else "✗"
    measured = f"**{_number(row.value, row.unit)}**"
    if row.peer is not None:
        measured += f" ({_number(row.ours, '')} ÷ {_number(row.peer, '')})"
    between = f"{_number(row.low, '')} … {_number(row.high, '')}"
    bounds = f"{sign} {_number(row.bound, '')} | {_number(row.stretch, '')}"
    return f"| {row.what} | {row.store} | {measured} | {between} | {bounds} | {mark} |"


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
