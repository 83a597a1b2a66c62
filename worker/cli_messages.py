"""`roundsman send`, `list`, `show`: Messages from the command line."""

from base64 import b64encode
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from messages.acceptance import Acceptor
from messages.clock import system_clock
from messages.errors import InvalidMessage, RoundsmanError
from messages.filenames import file_type
from messages.json_values import parse_json
from messages.settings import load_settings
from messages.states import DeliveryState
from messages.store import Accepted, Store
from messages.view import show
from worker.cli_refused import list_refused, show_refused
from worker.cli_store import Json, open_store, print_json, ring
from worker.timeline import list_table, timeline


def send_command(
    to: Annotated[list[str], typer.Option(help="A phone number or an e-mail address; may be repeated")],
    text: Annotated[str | None, typer.Option(help="The text")] = None,
    template: Annotated[str | None, typer.Option(help="TYPE/NAME, or the name alone")] = None,
    attach: Annotated[list[Path] | None, typer.Option(help="A file to send along; may be repeated")] = None,
    message_id: Annotated[str | None, typer.Option("--id", help="The id, also the idempotency key")] = None,
    field: Annotated[
        list[str] | None, typer.Option(help="Another field, as name=value; the value may be JSON")
    ] = None,
    json: Json = False,
) -> None:
    """Accept a Message and have it sent."""
    raw = dict(_parse_field(f) for f in field or ()) | _recipients(to)
    raw |= {"id": message_id, "text": text, "template": template}
    if attach:
        raw["attachments"] = [_attachment(path) for path in attach]
    with open_store() as store:
        accepted = _accept(store, raw)
        for warning in accepted.stored.warnings:
            typer.echo(f"roundsman: warning: {warning['field']}: {warning['message']}", err=True)
        if json:
            print_json(show(store.find([accepted.message_id]), 0, store.objects)[0])
        else:
            typer.echo(f"Accepted {accepted.message_id}; see: roundsman show {accepted.message_id}")


def list_command(
    status: Annotated[DeliveryState | None, typer.Option(help="Only Messages of this status")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many")] = 20,
    page: Annotated[int, typer.Option(min=1, help="Which page")] = 1,
    refused: Annotated[
        bool, typer.Option("--refused", help="What the queue entrance refused, and why")
    ] = False,
    json: Json = False,
) -> None:
    """List Messages, newest first."""
    with open_store() as store:
        if refused:
            list_refused(store, limit, json=json)
            return
        found = store.page(status, limit, page)
        shown = show(found.items, 0, store.objects)
        if json:
            print_json({"data": shown, "totalCount": found.total, "page": page, "limit": limit})
        else:
            Console().print(list_table(shown, found.total))


def show_command(message_id: Annotated[str, typer.Argument(metavar="ID")], json: Json = False) -> None:
    """Show one Message: what happened to it, when, and why. Or a refused entry, by either id."""
    with open_store() as store:
        found, refused = store.find([message_id]), store.find_refused(message_id)
        if not found and not refused:
            raise RoundsmanError(
                f"No Message and no refused entry has the id {message_id!r}; see: roundsman list [--refused]"
            )
        if not found:
            show_refused(refused, json=json)
            return
        shown = show(found, 0, store.objects)[0]
        if json:
            print_json(shown | ({"warnings": found[0].warnings} if found[0].warnings else {}))
        else:
            Console(highlight=False).print(timeline(shown, found[0].warnings))
            for entry in refused:
                typer.echo(f"\nAn entry with this id was refused; see: roundsman show {entry.id}")


def _accept(store: Store, raw: dict[str, Any]) -> Accepted:
    acceptor = Acceptor.from_settings(load_settings(), store, system_clock)
    draft = acceptor.draft(raw)
    acceptor.check_template(draft)
    result = acceptor.accept([draft])[0]
    if not isinstance(result, Accepted):
        raise result
    ring(result.waiting)
    return result


def _recipients(to: list[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for address in to:
        name = "externalEmail" if "@" in address else "externalPhoneNumber"
        if name in fields:
            raise InvalidMessage(f"--to: a Message has one {name}; send another Message to {address!r}")
        fields[name] = address
    return fields


def _parse_field(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InvalidMessage(f"--field: {text!r} is not name=value")
    try:
        return name, parse_json(value.encode())
    except ValueError:
        return name, value


def _attachment(path: Path) -> dict[str, Any]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RoundsmanError(f"--attach: {path} cannot be read: {error.strerror}") from None
    mime_type = file_type(None, name=path.name)
    return {"filename": path.name, "mimeType": mime_type, "content": b64encode(content).decode()}
