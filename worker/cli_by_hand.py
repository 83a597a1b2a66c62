"""`roundsman redrive`, `cancel`: what people do to Messages by hand. The event names who they are here."""

import os
import pwd
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from messages.by_hand import Action, carry_out, message_of
from messages.clock import from_iso, system_clock
from messages.delivery import Lane
from messages.durations import to_seconds
from messages.errors import MessageNotFound, NothingToDo, RoundsmanError
from messages.store import Store, Waiting
from worker.cli_refused import redrive_refused, report_redriven
from worker.cli_store import Json, open_store, print_json, ring

#: Ids that go into one transaction.
_AT_ONCE = 500


def redrive_command(
    message_ids: Annotated[list[str] | None, typer.Argument(metavar="ID")] = None,
    failed_since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="All that failed since then: 2h, 3d, or 2026-05-14T12:00:00Z"),
    ] = None,
    unknown: Annotated[
        bool,
        typer.Option("--unknown", help="Also what is unknown: it may have been sent, and then arrive twice"),
    ] = False,
    refused_entries: Annotated[
        bool,
        typer.Option("--refused", help="Submit these refused entries of the queue again, as they were given"),
    ] = False,
    json: Json = False,
) -> None:
    """Queue what failed or expired for another try: these Messages, or all that failed lately."""
    if bool(message_ids) == bool(failed_since):
        raise RoundsmanError("redrive: give either ids of Messages or --failed-since; see: roundsman list")
    if unknown and failed_since:
        raise RoundsmanError("redrive: --unknown goes with ids of Messages only: look at each of them first")
    if refused_entries:
        _redrive_refused(message_ids or [], json=json, alone=not (unknown or failed_since))
        return
    refused: dict[str, str] = {}
    with open_store() as store:
        if failed_since:
            now = system_clock()
            redriven = list(_redrive_since(store, _instant(failed_since, now), now))
        else:
            redriven, refused = _each(store, Action.REDRIVE, message_ids or [], even_unknown=unknown)
            ring(redriven)
    twice = " What was unknown may arrive twice." if unknown and redriven else ""
    _report("redriven", f"Queued {_count(redriven)} again.{twice}", redriven, refused, json=json)


def _redrive_refused(wanted: Sequence[str], *, json: bool, alone: bool) -> None:
    if not alone:
        raise RoundsmanError("redrive: --refused goes with ids only; see: roundsman list --refused")
    with open_store() as store:
        message_ids, reasons = redrive_refused(store, wanted)
    report_redriven(message_ids, reasons, json=json)


def cancel_command(
    message_ids: Annotated[list[str], typer.Argument(metavar="ID")], json: Json = False
) -> None:
    """Withdraw what of these Messages was not sent yet."""
    with open_store() as store:
        canceled, refused = _each(store, Action.CANCEL, message_ids)
    _report("canceled", f"Canceled {_count(canceled)}.", canceled, refused, json=json)


def _each(
    store: Store, action: Action, message_ids: Sequence[str], *, even_unknown: bool = False
) -> tuple[Waiting, dict[str, str]]:
    """What was moved; and by id, why of a Message nothing was."""
    ids = list(dict.fromkeys(message_ids))
    moved: Waiting = []
    refused: dict[str, str] = {}
    for first in range(0, len(ids), _AT_ONCE):
        group = ids[first : first + _AT_ONCE]
        done = carry_out(store, action, group, _user(), system_clock(), even_unknown=even_unknown)
        moved += done.moved
        for message_id in group:
            try:
                message_of(action, message_id, done)
            except MessageNotFound:
                refused[message_id] = f"No Message has the id {message_id!r}; see: roundsman list"
            except NothingToDo as error:
                refused[message_id] = str(error)
    return moved, refused


def _redrive_since(store: Store, since: int, until: int) -> Iterator[tuple[str, Lane]]:
    """Part by part; what fails again meanwhile failed after `until`, and is left."""
    while part := store.redrive_failed(since, until, _user(), system_clock()):
        ring(part)
        yield from part


def _instant(text: str, now: int) -> int:
    """A time, or so long before now. Raises RoundsmanError."""
    try:
        return from_iso(text)
    except (ValueError, OverflowError):
        pass
    try:
        return now - to_seconds(text) * 1000
    except ValueError:
        raise RoundsmanError(
            f"--failed-since: {text!r} is neither a duration like 2h nor a time like 2026-05-14T12:00:00Z"
        ) from None


def _user() -> str:
    """Whoever runs this: the system says, not the environment."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user may have no name
        return f"uid {os.getuid()}"


def _count(moved: Waiting) -> str:
    return "1 delivery" if len(moved) == 1 else f"{len(moved)} deliveries"


def _report(name: str, sentence: str, moved: Waiting, refused: dict[str, str], *, json: bool) -> None:
    if json:
        print_json({name: [delivery_id for delivery_id, _ in moved], "refused": refused})
    else:
        typer.echo(sentence)
    for reason in refused.values():
        typer.echo(f"roundsman: {reason}", err=True)
    if refused:
        raise typer.Exit(1)
