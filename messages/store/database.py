"""The engine and its transactions: one writer at a time on SQLite, no half-open transaction anywhere."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from messages.errors import StoreUnavailable
from messages.store.turn import Turn

_BUSY_SECONDS = 30
_CONNECT_SECONDS = 3
_WRITE = "roundsman_write"

#: SQLSTATE classes: wrong data, broken constraint, wrong statement, beyond a limit of PostgreSQL.
_PERMANENT_CLASSES = frozenset({"22", "23", "42", "54"})

#: Nobody waits longer for a PostgreSQL that is frozen, or for a lock in it.
_POSTGRESQL = {
    "connect_timeout": str(_CONNECT_SECONDS),
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "8000",
    "options": "-c lock_timeout=5s -c idle_in_transaction_session_timeout=60s",
}


class Database:
    """An engine for `url` (sqlite:/// or postgresql+psycopg://). Connects at first use."""

    def __init__(self, url: str) -> None:
        self.engine = _sqlite(url) if url.startswith("sqlite") else _postgresql(url)
        self._turn: Callable[[], AbstractContextManager[None]] = nullcontext
        if self.is_sqlite and self.engine.url.database:
            self._turn = Turn(Path(self.engine.url.database), _BUSY_SECONDS)

    @property
    def is_sqlite(self) -> bool:
        """Whether the store is one SQLite file."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A write transaction: committed at the end, rolled back on an error. Raises StoreUnavailable."""
        with self._turn(), self._transaction(self.engine.execution_options(**{_WRITE: True})) as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read transaction: one consistent view. Raises StoreUnavailable."""
        with self._transaction(self.engine) as connection:
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @contextmanager
    def _transaction(self, engine: Engine) -> Iterator[Connection]:
        try:
            with engine.begin() as connection:
                yield connection
        except PoolTimeoutError as error:
            raise StoreUnavailable(_cause(error)) from None
        except (OperationalError, InterfaceError) as error:
            if is_temporary(error):
                raise StoreUnavailable(_cause(error)) from None
            raise
        except DBAPIError as error:
            if error.connection_invalidated:
                raise StoreUnavailable(_cause(error)) from None
            raise


def is_temporary(error: DBAPIError) -> bool:
    """Whether the same statement may succeed later; wrong data never will."""
    sqlstate = getattr(error.orig, "sqlstate", None) or ""
    return sqlstate[:2] not in _PERMANENT_CLASSES


def _cause(error: Exception) -> str:
    """What the driver said, in one line, without the statement and its values."""
    original = getattr(error, "orig", None) or error
    return f"the store cannot be reached: {str(original).strip().splitlines()[0]}"


def _postgresql(url: str) -> Engine:
    parsed = make_url(url)
    query = _POSTGRESQL | dict(parsed.query)
    return create_engine(
        parsed.set(query=query), pool_size=8, max_overflow=8, pool_timeout=5, pool_pre_ping=True,
        hide_parameters=True,
    )  # fmt: skip


def _sqlite(url: str) -> Engine:
    engine = create_engine(
        url,
        connect_args={"timeout": _BUSY_SECONDS, "isolation_level": None, "check_same_thread": False},
        hide_parameters=True,
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",  # accepted means kept, also when the power fails
        "foreign_keys=ON",
        "cache_size=-32000",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """Take the write lock at once: a deferred transaction that turns to writing fails when others write."""
    writes = connection.get_execution_options().get(_WRITE)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
