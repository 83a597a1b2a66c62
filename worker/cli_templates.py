"""`roundsman templates list | check | preview`."""

import json
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from messages.catalogue import Catalogue, Part, Template, UnknownTemplate
from messages.errors import RoundsmanError
from messages.rendering.checks import check as check_folder
from messages.rendering.preview import Preview, example_file, preview, read_message, write_html
from messages.rendering.renderer import Renderer
from messages.segments import segments_of
from messages.settings import Settings, load_settings

templates_app = typer.Typer(no_args_is_help=True, help="List, check and preview the templates.")


@templates_app.command("list")
def list_templates(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """List the templates: their channels and parts."""
    with _one_line_errors():
        catalogue = _catalogue(load_settings())
    if as_json:
        typer.echo(json.dumps([_as_dict(template) for template in catalogue.all()], indent=2))
        return
    table = Table("Template", "Channels", "Parts", box=None, pad_edge=False)
    for template in catalogue.all():
        table.add_row(template.path, ", ".join(_channels(template)), ", ".join(_parts(template)))
    Console().print(table)


@templates_app.command()
def check() -> None:
    """Look for mistakes: undefined variables, missing parts, SMS longer than one segment."""
    with _one_line_errors():
        settings = load_settings()
        problems = check_folder(
            settings.templates_dir, dealership=settings.dealership_name, timezone=settings.default_timezone
        )
    for problem in problems:
        typer.echo(f"{problem.severity}: {problem}")
    if problems:
        typer.echo(f"{len(problems)} problem{'' if len(problems) == 1 else 's'} found.", err=True)
        raise typer.Exit(1)
    typer.echo(f"{len(Catalogue.read(settings.templates_dir).all())} templates checked, no problem found.")


@templates_app.command("preview")
def preview_template(
    name: Annotated[
        str, typer.Argument(metavar="TYPE/NAME", help="Which template; TYPE alone is its default.")
    ],
    message_file: Annotated[
        Path | None, typer.Option("--with", metavar="FILE.json", help="A Message, in place of the example.")
    ] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Show the HTML in the browser.")] = False,
) -> None:
    """Render a template and show what a customer would get; nothing is sent."""
    with _one_line_errors():
        settings = load_settings()
        catalogue = _catalogue(settings)
        template = _find(catalogue, name)
        renderer = Renderer(
            catalogue,
            settings.templates_dir,
            dealership=settings.dealership_name,
            timezone=settings.default_timezone,
        )
        source = message_file or example_file(settings.templates_dir, template)
        made = preview(renderer, template, read_message(source), dealership=settings.dealership_name)
        page = write_html(made.email, template, settings.var_dir / "previews") if made.email else None
    typer.echo(f"{template.path}, with {source}")
    _show(made, page)
    if open_it and page:
        webbrowser.open(page.resolve().as_uri())


def _show(made: Preview, page: Path | None) -> None:
    if made.sms:
        segments = segments_of(made.sms.body)
        count = f"{segments.count} segment{'' if segments.count == 1 else 's'}"
        _heading(f"SMS · {count}, {segments.encoding}, {segments.units} units")
        typer.echo(made.sms.body)
    if made.email:
        _heading("E-mail")
        typer.echo(f"Subject: {made.email.subject}\n\n{made.email.text}", nl=False)
    if page:
        _heading("E-mail as HTML")
        typer.echo(page)


def _heading(text: str) -> None:
    typer.echo("\n" + typer.style(text, bold=True))


def _catalogue(settings: Settings) -> Catalogue:
    catalogue = Catalogue.read(settings.templates_dir)
    if not catalogue.all():
        raise ValueError(f"there are no templates in {settings.templates_dir} (TEMPLATES_DIR)")
    return catalogue


def _find(catalogue: Catalogue, name: str) -> Template:
    """Raise UnknownTemplate, which lists those there are."""
    is_type = any(template.type == name for template in catalogue.all())
    return catalogue.find(name, None) if is_type else catalogue.find(None, name)


def _as_dict(template: Template) -> dict[str, object]:
    return {
        "template": template.path,
        "templateType": template.type,
        "name": template.name,
        "channels": _channels(template),
        "parts": _parts(template),
    }


def _channels(template: Template) -> list[str]:
    return sorted((channel.value for channel in template.channels), reverse=True)


def _parts(template: Template) -> list[str]:
    return [part.value for part in Part if part in template.parts]


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Say in one line what is wrong, and exit with 1; no traceback for what a user can put right."""
    try:
        yield
    except (RoundsmanError, UnknownTemplate, ValueError, OSError) as error:
        typer.echo(f"roundsman: {error}", err=True)
        raise typer.Exit(1) from None
