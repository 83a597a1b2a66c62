"""`roundsman`: the command line."""

import os
import sys
from typing import Annotated

import typer

from messages.catalogue import Catalogue
from messages.database_tls import warning_of
from messages.errors import RoundsmanError
from messages.private_files import make_private_folder
from messages.settings import load_settings
from worker.cli_by_hand import cancel_command, redrive_command
from worker.cli_messages import list_command, send_command, show_command
from worker.cli_templates import templates_app

cli = typer.Typer(
    help="Roundsman: a Message goes in, an SMS or an e-mail goes out, and its delivery state comes back.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cli.add_typer(templates_app, name="templates")
cli.command("send")(send_command)
cli.command("list")(list_command)
cli.command("show")(show_command)
cli.command("redrive")(redrive_command)
cli.command("cancel")(cancel_command)


@cli.command("up")
def up_command(verbose: Annotated[bool, typer.Option(help="Show every line the parts log")] = False) -> None:
    """Run everything on this machine: broker, store, intake, workers, Flower and sandbox."""
    from worker.up import up  # noqa: PLC0415 - the other commands need not wait for its imports

    raise typer.Exit(up(load_settings(), verbose=verbose))


@cli.command("intake")
def intake_command(
    host: Annotated[str | None, typer.Option(help="Address to listen on [HOST]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on [PORT]")] = None,
) -> None:
    """Serve the HTTP door."""
    import uvicorn  # noqa: PLC0415 - likewise

    settings = load_settings()
    Catalogue.read(settings.templates)  # said here in one line, by uvicorn in forty
    uvicorn.run(
        "intake.app:app",
        host=host or settings.host,
        port=port or settings.port,
        log_level=settings.log_level.lower(),
        http="intake.wire:Wire",  # by name: a worker knows nothing of intake
        ws="none",
        proxy_headers=False,  # intake reads them itself, from TRUSTED_PROXIES
        access_log=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
    )


@cli.command("worker", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def worker_command(context: typer.Context) -> None:
    """Run a worker process; what follows goes to `celery -A worker worker`."""
    settings = load_settings()
    arguments = ["-A", "worker", "worker", "--loglevel", settings.log_level, *context.args]
    os.execv(sys.executable, [sys.executable, "-m", "celery", *arguments])  # noqa: S606 - our own interpreter


@cli.command("migrate")
def migrate_command() -> None:
    """Create the store's tables, or bring them up to date."""
    from messages.store.migrating import migrate  # noqa: PLC0415 - likewise

    settings = load_settings()
    if not settings.database_url:
        make_private_folder(settings.var_dir)
    if warning := warning_of(settings.database):
        typer.echo(f"Warning: {warning}", err=True)
    migrate(settings.database)
    typer.echo("The store is up to date.")


def main() -> None:
    """Run the command line; what goes wrong is one line, not a traceback."""
    try:
        cli()
    except RoundsmanError as error:
        sys.exit(f"roundsman: {error}")
