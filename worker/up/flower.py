"""`python -m worker.up.flower ADDRESS PORT`: Flower for `roundsman up`.

It has an app of its own: Flower learns of tasks by events, and what a worker imports would cost two seconds.
"""

import sys

from celery import Celery

from messages.errors import SettingsError
from messages.queues import CELERY_CONFIG
from messages.settings import load_settings
from worker.flower_hosts import check_hosts


def build_app() -> Celery:
    """An app that only knows the broker. Raises SettingsError."""
    app = Celery("roundsman-flower", set_as_current=False)
    app.conf.update(CELERY_CONFIG | load_settings().broker_connection.celery_config)
    return app


def main(address: str, port: str) -> None:
    """Run Flower until SIGTERM; what is wrong with the settings is one line."""
    import flower.command  # noqa: F401, PLC0415 - what `check_hosts` changes

    try:
        app = build_app()
        check_hosts(load_settings().flower_hosts)
    except SettingsError as error:
        sys.exit(f"roundsman flower: {error}")
    app.start(["flower", f"--address={address}", f"--port={port}"])


if __name__ == "__main__":
    main(*sys.argv[1:])
