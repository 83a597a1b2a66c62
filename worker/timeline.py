"""A Message for people at a terminal: what happened, when, and why."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from messages.clock import to_iso
from messages.outcomes import ActionBy
from messages.states import DeliveryState
from messages.store import Refused

_WAITING = {DeliveryState.QUEUED, DeliveryState.SCHEDULED}
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
            moment(message["createdAt"])[:-4],
            Text(recipients),
            Text("; ".join(errors)),
        )
    return table


def refused_list(entries: Sequence[Refused], given: Sequence[str]) -> RenderableType:
    """Return each refused entry with its reason and, below, what was given."""
    if not entries:
        return Text("Nothing was refused.")
    lines = []
    for entry, shown in zip(entries, given, strict=True):
        received = moment(to_iso(entry.received_at))[:-4]
        lines += [Text(f"{entry.id}  {received}  {entry.reason}"), Text(f"  given: {shown}", "dim")]
    return Group(*lines)


def _table(first: str, second: str, *others: str, caption: str | None = None) -> Table:
    """Without lines; id and time are never cut."""
    head = [Column(name, no_wrap=True, overflow="ignore") for name in (first, second)]
    table = Table(*head, *others, box=None, caption=caption)
    table.caption_justify = "left"
    return table


def timeline(message: dict[str, Any], warnings: Sequence[dict[str, str]] = ()) -> RenderableType:
    """The Message with its warnings, then each Delivery with its attempts."""
    head = Text.assemble((message["id"], "bold"), "  ", _status(message["status"]))
    accepted = Text(f"{moment(message['createdAt'])}  accepted", "dim")
    odd = (Text(f"warning  {one['field']}: {one['message']}", "yellow") for one in warnings)
    lines = (line for d in message["deliveries"] for line in _delivery(d, message["events"]))
    return Group(head, accepted, *odd, *lines)


def _delivery(delivery: dict[str, Any], events: Sequence[dict[str, Any]]) -> Iterator[Text]:
    yield Text()
    sender = f" from {delivery['from']}" if delivery["from"] else ""
    yield Text.assemble(
        (delivery["channel"], "bold"), f" to {delivery['to']}{sender}  ", _status(delivery["status"])
    )
    for at, what in sorted(_happened(delivery, events), key=lambda line: line[0]):
        yield Text(f"  {moment(at)}  {what}")
    if delivery["status"] in _WAITING and delivery["expiresAt"]:
        yield Text(f"  {moment(delivery['expiresAt'])}  expires")
    if delivery["nextAttemptAt"]:
        yield Text(f"  {moment(delivery['nextAttemptAt'])}  next attempt")
    if delivery["providerId"]:
        segments = (
            f", {delivery['segments']} segment(s) {delivery['encoding']}" if delivery["segments"] else ""
        )
        yield Text(f"  provider's id {delivery['providerId']}{segments}", "dim")


def _happened(delivery: dict[str, Any], events: Sequence[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Its attempts, and what else there is a word about: who redrove it, that it expired. With times."""
    for attempt in delivery["attempts"]:
        yield attempt["startedAt"], f"attempt {attempt['number']}"
        if attempt["finishedAt"]:
            what = attempt["outcome"] + (f": {attempt['error']}" if attempt["error"] else "")
            yield attempt["finishedAt"], f"  {what}{_to_act(attempt['actionBy'])}"
    told = {attempt["error"] for attempt in delivery["attempts"]}
    for event in events:
        if event.get("deliveryId") == delivery["id"] and event.get("detail") not in told | {None}:
            yield event["at"], event["detail"]


def _to_act(who: str | None) -> str:
    return f" [to act: {who}]" if who and who != ActionBy.NOBODY else ""


def _status(status: str) -> Text:
    style = "green" if status in _GOOD else "red" if status in _BAD else "yellow"
    return Text(status, style)


def moment(iso: str | None) -> str:
    """Return the time as people write it."""
    return (iso or "").replace("T", " ").replace("Z", "")
