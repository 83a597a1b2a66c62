"""Bring a database to the present schema, step by step, each step once."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from messages.errors import StoreUnavailable
from messages.store.faults import cause_of, is_store_fault
from messages.store.sqlite_files import create_file
from messages.urls import hosts_in_query


def migrate(url: str, revision: str = "head") -> None:
    """Create or upgrade the schema at `url`, up to `revision`. Raises StoreUnavailable.

    Safe to run by several machines at once: on PostgreSQL they take turns by an advisory lock.
    """
    parsed = make_url(hosts_in_query(url))
    if parsed.drivername == "sqlite" and parsed.database:
        _create_sqlite(parsed.database)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["url"] = url
    try:
        command.upgrade(config, revision)
    except DBAPIError as error:
        if is_store_fault(error):
            raise StoreUnavailable(cause_of(error)) from None
        raise


def _create_sqlite(path: str) -> None:
    try:
        Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        create_file(path)
    except OSError as error:
        raise StoreUnavailable(f"the store is unavailable: {path}: {error.strerror}") from None
