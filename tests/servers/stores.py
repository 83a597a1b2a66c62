"""Stores of a test's own, and what goes wrong with them: on real databases."""

import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import event, make_url

from messages.store import Store

#: What must be undone at the end of a fault.
Fault = Callable[[], AbstractContextManager[None]]

#: An error of each class of SQLSTATE that is the store's, as the server may raise it at any statement.
SQLSTATES = (
    "08006", "0A000", "25006", "26000", "28P01", "3D000", "40001", "40P01", "42501", "42P05", "53100",
    "53200", "53300", "55P03", "57014", "57P03", "58030", "XX000", "XX001",
)  # fmt: skip


def as_user(url: str, user: str) -> str:
    """The same database, used by this user."""
    return make_url(url).set(username=user, password="a-password").render_as_string(hide_password=False)


class PostgresqlFaults:
    """What its administrator, or its disk, does to a database. The user of the store may not do so."""

    def __init__(self, admin_url: str, user: str) -> None:
        self._user = user
        self._database = str(make_url(admin_url).database)
        self._url = make_url(admin_url).set(drivername="postgresql")
        named = {name[6:]: getattr(self, name) for name in dir(self) if name.startswith("fault_")}
        self.faults: dict[str, Fault] = {name.replace("_", " "): fault for name, fault in named.items()}
        self.faults |= {f"SQLSTATE {code}": self._raising(code) for code in SQLSTATES}
        self.execute(
            f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {user}",
            f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {user}",
        )

    def execute(self, *statements: str, database: str | None = None) -> None:
        url = self._url.set(database=database) if database else self._url
        with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def end_connections(self) -> None:
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE datname = '{self._database}' AND pid <> pg_backend_pid()",
            database="postgres",
        )

    @contextmanager
    def _altered(self, there: str, back: str) -> Iterator[None]:
        self.execute(there, database="postgres")
        self.end_connections()
        try:
            yield
        finally:
            self.execute(back, database="postgres")
            self.end_connections()

    def _raising(self, code: str) -> Fault:
        @contextmanager
        def raising() -> Iterator[None]:
            self.execute(
                "CREATE FUNCTION fail() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'planted'"
                f" USING ERRCODE = '{code}'; END $$ LANGUAGE plpgsql",
                "CREATE TRIGGER fail BEFORE INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION fail()",
            )
            try:
                yield
            finally:
                self.execute("DROP FUNCTION fail CASCADE")

        return raising

    @contextmanager
    def fault_privilege_revoked(self) -> Iterator[None]:
        self.execute(f"REVOKE INSERT ON events FROM {self._user}")
        yield
        self.execute(f"GRANT ALL ON events TO {self._user}")

    @contextmanager
    def fault_table_renamed(self) -> Iterator[None]:
        self.execute("ALTER TABLE events RENAME TO elsewhere")
        yield
        self.execute("ALTER TABLE elsewhere RENAME TO events")

    def fault_no_connection_left(self) -> AbstractContextManager[None]:
        alter = f"ALTER DATABASE {self._database} CONNECTION LIMIT"
        return self._altered(f"{alter} 0", f"{alter} -1")

    def fault_login_refused(self) -> AbstractContextManager[None]:
        return self._altered(f"ALTER ROLE {self._user} NOLOGIN", f"ALTER ROLE {self._user} LOGIN")

    def fault_read_only(self) -> AbstractContextManager[None]:
        alter = f"ALTER DATABASE {self._database}"
        return self._altered(
            f"{alter} SET default_transaction_read_only = on", f"{alter} RESET default_transaction_read_only"
        )

    @contextmanager
    def fault_database_missing(self) -> Iterator[None]:
        gone = f"{self._database}_gone"
        self.execute(f"ALTER DATABASE {self._database} ALLOW_CONNECTIONS false", database="postgres")
        self.end_connections()
        self.execute(f"ALTER DATABASE {self._database} RENAME TO {gone}", database="postgres")
        yield
        self.execute(f"ALTER DATABASE {gone} RENAME TO {self._database}", database="postgres")
        self.execute(f"ALTER DATABASE {self._database} ALLOW_CONNECTIONS true", database="postgres")

    @contextmanager
    def fault_statement_timeout(self) -> Iterator[None]:
        alter = f"ALTER ROLE {self._user}"
        with (
            self._altered(f"{alter} SET statement_timeout = '50ms'", f"{alter} RESET statement_timeout"),
            psycopg.connect(self._url.render_as_string(hide_password=False)) as other,
        ):
            other.execute("LOCK TABLE events, deliveries, messages IN EXCLUSIVE MODE")
            yield


class SqliteFaults:
    """What happens to a file, and to the disk that it is on."""

    def __init__(self, path: Path, store: Store) -> None:
        self._path, self._store = path, store
        named = {name[6:]: getattr(self, name) for name in dir(self) if name.startswith("fault_")}
        self.faults: dict[str, Fault] = {name.replace("_", " "): fault for name, fault in named.items()}

    def end_connections(self) -> None:
        self._store.close()

    @contextmanager
    def _limited(self, pragma: str) -> Iterator[None]:
        """Each connection is limited when it begins: a test cannot fill a disk, or remount it."""

        def limit(connection: sqlite3.Connection, *_: object) -> None:
            connection.execute(pragma)

        engines = self._store._db.engine, self._store._db._at_once
        for engine in engines:
            event.listen(engine, "connect", limit)
        self.end_connections()
        yield
        for engine in engines:
            event.remove(engine, "connect", limit)
        self.end_connections()

    def fault_disk_full(self) -> AbstractContextManager[None]:
        return self._limited("PRAGMA max_page_count = 1")  # as many as there are now

    @contextmanager
    def fault_file_too_large(self) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    def fault_read_only(self) -> AbstractContextManager[None]:
        return self._limited("PRAGMA query_only = ON")

    @contextmanager
    def fault_locked_by_another(self) -> Iterator[None]:
        other = sqlite3.connect(self._path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        yield
        other.close()

    @contextmanager
    def fault_table_renamed(self) -> Iterator[None]:
        self._change("ALTER TABLE events RENAME TO elsewhere")
        yield
        self._change("ALTER TABLE elsewhere RENAME TO events")

    def fault_corrupted(self) -> AbstractContextManager[None]:
        return self._overwritten(100)

    def fault_not_a_database(self) -> AbstractContextManager[None]:
        return self._overwritten(0)

    def fault_cut_off(self) -> AbstractContextManager[None]:
        return self._overwritten(4096, cut=True)

    @contextmanager
    def _overwritten(self, start: int, *, cut: bool = False) -> Iterator[None]:
        self.end_connections()  # all of it is in the file then
        good = self._path.read_bytes()
        with self._path.open("r+b") as file:  # the same file: its content is what is wrong
            file.truncate(start if cut else len(good))
            file.seek(start)
            file.write(b"" if cut else b"\xa5" * (len(good) - start))
        yield
        self.end_connections()
        for name in ("-wal", "-shm"):
            self._path.with_name(self._path.name + name).unlink(missing_ok=True)
        with self._path.open("r+b") as file:
            file.write(good)

    def _change(self, *statements: str) -> None:
        with sqlite3.connect(self._path, isolation_level=None, timeout=5) as connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()
