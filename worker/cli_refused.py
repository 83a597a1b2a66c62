"""Refused entries of the queue on the command line: listed, shown, submitted again."""

from collections.abc import Sequence
from typing import Any

import orjson
import typer
from rich.console import Console, Group, RenderableType
from rich.text import Text

from messages.acceptance import Acceptor
from messages.clock import system_clock, to_iso
from messages.delivery import Waiting
from messages.errors import RoundsmanError, StoreUnavailable
from messages.resubmission import one_of, resubmit
from messages.settings import load_settings
from messages.store import Refused, Store
from worker.cli_store import print_json, ring
from worker.timeline import moment, refused_list

#: So much of what was given is shown in a list, and for one entry; JSON has all of it.
_LISTED_CHARACTERS, _SHOWN_CHARACTERS = 200, 10_000


def list_refused(store: Store, limit: int, *, json: bool) -> None:
    """Print the latest."""
    entries = store.refused(limit)
    if json:
        print_json([_as_json(entry) for entry in entries])
    else:
        given = [_printable(entry.body, _LISTED_CHARACTERS) for entry in entries]
        Console(highlight=False).print(refused_list(entries, given))


def show_refused(entries: Sequence[Refused], *, json: bool) -> None:
    """Print these with what was given."""
    if json:
        print_json({"refused": [_as_json(entry) for entry in entries]})
        return
    for entry in entries:
        Console(highlight=False).print(_details(entry))


def redrive_refused(store: Store, wanted: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Submit these again; return the ids of the Messages, and the reasons of those refused again."""
    acceptor = Acceptor.from_settings(load_settings(), store, system_clock)
    message_ids: list[str] = []
    waiting: Waiting = []
    reasons: dict[str, str] = {}
    for one in dict.fromkeys(wanted):
        try:
            accepted = resubmit(acceptor, one_of(store.find_refused(one), one), system_clock)
        except StoreUnavailable:
            raise
        except RoundsmanError as error:
            reasons[one] = str(error)
            continue
        message_ids += [message.message_id for message in accepted]
        waiting += [each for message in accepted for each in message.waiting]
    ring(waiting)
    return message_ids, reasons


def report_redriven(message_ids: Sequence[str], reasons: dict[str, str], *, json: bool) -> None:
    """Say what was accepted, and why the others were not; the exit code is 1 if any was not."""
    if json:
        print_json({"accepted": list(message_ids), "refused": reasons})
    for message_id in () if json else message_ids:
        typer.echo(f"Accepted {message_id}; see: roundsman show {message_id}")
    for one, reason in reasons.items():
        typer.echo(f"roundsman: {one} is still refused: {reason}", err=True)
    if reasons:
        raise typer.Exit(1)


def _details(entry: Refused) -> RenderableType:
    lines = [
        Text.assemble((entry.id, "bold"), "  ", ("refused", "red")),
        Text(f"{moment(to_iso(entry.received_at))}  {entry.reason}"),
    ]
    if entry.message_id:
        lines.append(Text(f"the producer's id  {entry.message_id}"))
    if entry.task:
        lines.append(Text(f"its task  {_printable(entry.task, _SHOWN_CHARACTERS)}"))
    lines.append(Text(f"given  {_printable(entry.body, _SHOWN_CHARACTERS)}"))
    lines.append(Text(f"to submit it again: roundsman redrive --refused {entry.id}", "dim"))
    return Group(*lines, Text())


def _printable(json: str, limit: int) -> str:
    """Cut, and without what could steer a terminal."""
    cut = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in json[:limit])
    return cut if len(json) <= limit else f"{cut}… ({len(json):,} characters)"


def _as_json(entry: Refused) -> dict[str, Any]:
    return {
        "id": entry.id,
        "messageId": entry.message_id,
        "receivedAt": to_iso(entry.received_at),
        "reason": entry.reason,
        "fields": entry.fields,
        "body": entry.body,
        "task": orjson.loads(entry.task) if entry.task else None,
    }
