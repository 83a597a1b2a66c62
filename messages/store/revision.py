"""Which revision of the schema a store has, and whether this version can work with it."""

from functools import cache
from pathlib import Path

from sqlalchemy import URL, Connection, inspect, text

from messages.errors import StoreOutdated

_VERSIONS = Path(__file__).parent / "migrations" / "versions"


@cache
def needed_revision() -> str:
    """Return the number of the latest migration, such as 0001."""
    return max(path.name[:4] for path in _VERSIONS.glob("[0-9]*.py"))


def check_revision(tx: Connection, url: URL) -> None:
    """Raise StoreOutdated where the store has an older schema, or none. A newer one is accepted."""
    found = _revision(tx)
    if found is not None and found >= needed_revision():
        return
    has = "no schema" if found is None else f"schema revision {found}"
    raise StoreOutdated(
        f"the store at {_where(url)} has {has}; this version needs revision {needed_revision()}: "
        "run roundsman migrate"
    )


def _revision(tx: Connection) -> str | None:
    if not inspect(tx).has_table("alembic_version"):
        return None
    revision: str | None = tx.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision


def _where(url: URL) -> str:
    """Name it without its password."""
    if url.drivername.startswith("sqlite"):
        return str(url.database)
    hosts = url.host or url.query.get("host") or "localhost"
    host = hosts if isinstance(hosts, str) else ",".join(hosts)
    return f"{host}:{url.port}/{url.database}" if url.port else f"{host}/{url.database}"
