"""A Message for people at a terminal: what happened, when, and why."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from messages.clock import to_iso
from messages.states import DeliveryState
from messages.store import Refused

_GOOD = {DeliveryState.SENT, DeliveryState.DELIVERED}
_BAD = {DeliveryState.FAILED, DeliveryState.UNDELIVERED, DeliveryState.EXPIRED, DeliveryState.UNKNOWN}


def list_table(shown: Sequence[dict[str, Any]], total: int) -> RenderableType:
    """A line a Message."""
    if not shown:
        return Text("No Messages.")
    table = _table("id", "status", "created", "to", "error", caption=f"{len(shown)} of {total}")
    for message in shown:
        deliveries = message["deliveries"]
        errors = [f"{d['channel']}: {d['error']}" for d in deliveries if d["error"]]
        recipients = ", ".join(d["to"] for d in deliveries)
        table.add_row(
            Text(message["id"]),
            _status(message["status"]),
            _moment(message["createdAt"])[:-4],
            Text(recipients),
            Text("; ".join(errors)),
        )
    return table


def refused_table(entries: Sequence[Refused]) -> RenderableType:
    """A line a refused entry."""
    if not entries:
        return Text("Nothing was refused.")
    table = _table("id", "received", "reason")
    for entry in entries:
        table.add_row(entry.id, _moment(to_iso(entry.received_at))[:-4], Text(entry.reason))
    return table


def _table(first: str, second: str, *others: str, caption: str | None = None) -> Table:
    """Without lines; id and time are never cut."""
    head = [Column(name, no_wrap=True, overflow="ignore") for name in (first, second)]
    table = Table(*head, *others, box=None, caption=caption)
    table.caption_justify = "left"
    return table


def timeline(message: dict[str, Any]) -> RenderableType:
    """The Message, then each Delivery with its attempts."""
    head = Text.assemble((message["id"], "bold"), "  ", _status(message["status"]))
    accepted = Text(f"{_moment(message['createdAt'])}  accepted", "dim")
    return Group(head, accepted, *(line for d in message["deliveries"] for line in _delivery(d)))


def _delivery(delivery: dict[str, Any]) -> Iterator[Text]:
    yield Text()
    sender = f" from {delivery['from']}" if delivery["from"] else ""
    yield Text.assemble(
        (delivery["channel"], "bold"), f" to {delivery['to']}{sender}  ", _status(delivery["status"])
    )
    for attempt in delivery["attempts"]:
        yield Text(f"  {_moment(attempt['startedAt'])}  attempt {attempt['number']}")
        if attempt["finishedAt"]:
            what = attempt["outcome"] + (f": {attempt['error']}" if attempt["error"] else "")
            yield Text(f"  {_moment(attempt['finishedAt'])}    {what}")
    if delivery["nextAttemptAt"]:
        yield Text(f"  {_moment(delivery['nextAttemptAt'])}  next attempt")
    elif delivery["error"] and not delivery["attempts"]:
        yield Text(f"  {delivery['error']}")
    if delivery["providerId"]:
        segments = (
            f", {delivery['segments']} segment(s) {delivery['encoding']}" if delivery["segments"] else ""
        )
        yield Text(f"  provider's id {delivery['providerId']}{segments}", "dim")


def _status(status: str) -> Text:
    style = "green" if status in _GOOD else "red" if status in _BAD else "yellow"
    return Text(status, style)


def _moment(iso: str | None) -> str:
    return (iso or "").replace("T", " ").replace("Z", "")
