"""What the commands that use the store share."""

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Annotated

import orjson
import typer

from messages.delivery import Lane
from messages.doorbell import Doorbell
from messages.queues import PUBLISHER_CONFIG
from messages.settings import load_settings
from messages.store import Store

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for other programs")]


@contextmanager
def open_store() -> Iterator[Store]:
    """The store of the settings. Raises StoreUnavailable where it does not answer, and StoreOutdated."""
    store = Store(load_settings().database)
    try:
        store.check_revision()
        yield store
    finally:
        store.close()


def ring(waiting: Collection[tuple[str, Lane]]) -> None:
    """Enqueue these; where the broker is away, say so: the sweep does it later."""
    if not waiting:
        return
    from celery import Celery  # noqa: PLC0415 - only this needs it, and it loads slowly

    logging.getLogger("messages.doorbell").disabled = True  # what it would say is said below
    app = Celery("roundsman-cli", set_as_current=False)
    app.conf.update(PUBLISHER_CONFIG | load_settings().broker_connection.celery_config)
    if not Doorbell(app).ring(waiting):
        typer.echo("The broker does not answer; it will be sent once a worker sweeps.", err=True)


def print_json(data: object) -> None:
    """For other programs."""
    typer.echo(orjson.dumps(data, option=orjson.OPT_INDENT_2).decode())
