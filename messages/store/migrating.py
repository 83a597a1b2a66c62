"""Bring a database to the present schema, step by step, each step once."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from messages.errors import StoreUnavailable


def migrate(url: str, revision: str = "head") -> None:
    """Create or upgrade the schema at `url`, up to `revision`. Raises StoreUnavailable.

    Safe to run by several machines at once: on PostgreSQL they take turns by an advisory lock.
    """
    parsed = make_url(url)
    if parsed.drivername == "sqlite" and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["url"] = url
    try:
        command.upgrade(config, revision)
    except OperationalError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise StoreUnavailable(f"the store cannot be reached: {reason}") from None
