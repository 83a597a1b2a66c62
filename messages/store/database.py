"""The engine and its transactions: one writer at a time on SQLite, no half-open transaction anywhere."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from messages.errors import StoreUnavailable
from messages.store.turn import Turn

#: How long anybody waits for the store, in seconds: for its turn on SQLite and for SQLite's own lock, both
#: together; for one answer of PostgreSQL; for a connection to it. What must not be committed after somebody
#: has gone away says until when it may be: see `Database.write`.
_BUSY_SECONDS = 8
_ANSWER_SECONDS = 6
_CONNECT_SECONDS = 3
_WRITE = "roundsman_write"

#: Seconds that nobody minds waiting longer: each change of SQLite's patience costs two statements.
_SOON = 1

#: SQLSTATE classes: wrong data, broken constraint, wrong statement, beyond a limit of PostgreSQL.
_PERMANENT_CLASSES = frozenset({"22", "23", "42", "54"})

#: Nobody waits longer for a PostgreSQL that is frozen, or for a lock in it.
_POSTGRESQL = {
    "connect_timeout": str(_CONNECT_SECONDS),
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "8000",
    "options": " ".join(
        (
            "-c lock_timeout=5s",
            "-c idle_in_transaction_session_timeout=60s",
            # All is found by an index. A connection keeps its plans, and one that was made while a table was
            # all but empty would read the whole of it ever after.
            "-c enable_seqscan=off",
            "-c random_page_cost=1.1",
            "-c jit=off",  # none of our statements is long enough to gain by it
        )
    ),
}


class Database:
    """An engine for `url` (sqlite:/// or postgresql+psycopg://). Connects at first use.

    `patient`: for statements that may take as long as they take.
    """

    def __init__(self, url: str, *, patient: bool = False) -> None:
        self.engine = _sqlite(url) if url.startswith("sqlite") else _postgresql(url, patient=patient)
        self._turn: Callable[[float], AbstractContextManager[object]] = nullcontext
        if self.is_sqlite and self.engine.url.database:
            self._turn = Turn(Path(self.engine.url.database), _BUSY_SECONDS)

    @property
    def is_sqlite(self) -> bool:
        """Whether the store is one SQLite file."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def write(self, until: float | None = None) -> Iterator[Connection]:
        """A write transaction: committed at the end, rolled back on an error. Raises StoreUnavailable.

        `until`: by time.monotonic(); what is not ready to be committed by then is rolled back.
        """
        busy_until = min(time.monotonic() + _BUSY_SECONDS, until or float("inf"))
        engine = self.engine.execution_options(**{_WRITE: busy_until})
        with self._turn(busy_until), self._transaction(engine) as connection:
            yield connection
            if until is not None and time.monotonic() > until:
                raise StoreUnavailable("the store was too slow: whoever waited for it has gone away")

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
        except DBAPIError as error:
            if error.connection_invalidated or is_temporary(error):
                raise StoreUnavailable(_cause(error)) from None
            raise


def is_temporary(error: DBAPIError) -> bool:
    """Whether the same statement may succeed later; wrong data never will.

    A server that is read-only for a while, or has an error of its own, is away as well as one that is gone.
    """
    if isinstance(error, DataError | IntegrityError | NotSupportedError | ProgrammingError):
        return False
    sqlstate = getattr(error.orig, "sqlstate", None) or ""
    return sqlstate[:2] not in _PERMANENT_CLASSES


def _cause(error: Exception) -> str:
    """What is wrong, in one line. What a server says of a statement may quote its values: only its name."""
    original = getattr(error, "orig", None) or error
    said = str(original).strip().splitlines()
    if sqlstate := getattr(original, "sqlstate", None):
        said = [f"{type(original).__name__} ({sqlstate})"]
    return f"the store cannot be reached: {said[0] if said else type(original).__name__}"


class ImpatientConnection(psycopg.Connection[Any]):
    """Gives up a server that does not answer. A process that is stopped keeps its TCP connection alive.

    It is closed then: a transaction whose COMMIT was not sent is rolled back once the server goes on.
    """

    def wait(self, gen: Any, *options: Any, **named: Any) -> Any:
        """Run a statement to its end, for a while."""
        return super().wait(self._within(gen, time.monotonic() + _ANSWER_SECONDS), *options, **named)

    def _within(self, gen: Any, end: float) -> Generator[Any, Any, Any]:
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() > end:
                    self.close()
                    raise psycopg.OperationalError(f"no answer within {_ANSWER_SECONDS} s")
                wanted = gen.send(ready)
        except StopIteration as finished:
            return finished.value


def _postgresql(url: str, *, patient: bool) -> Engine:
    parsed = make_url(url)
    query = _POSTGRESQL | dict(parsed.query)
    engine = create_engine(
        parsed.set(query=query), pool_size=8, max_overflow=8, pool_timeout=5, pool_pre_ping=True,
        hide_parameters=True,
    )  # fmt: skip
    if not patient:
        event.listen(engine, "do_connect", _connect_impatiently)
    return engine


def _connect_impatiently(_dialect: object, _record: object, args: list[Any], options: dict[str, Any]) -> Any:
    return ImpatientConnection.connect(*args, **options)


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
    """Take the write lock at once: a deferred transaction that turns to writing fails when others write.

    Somebody without the turn, such as the sqlite3 shell, may hold it: waited for is what time is left.
    """
    busy_until = connection.get_execution_options().get(_WRITE)
    if busy_until is None:
        connection.exec_driver_sql("BEGIN")
        return
    sqlite = connection.connection
    left = busy_until - time.monotonic()
    if left > _BUSY_SECONDS - _SOON:  # as it is
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        return
    _be_patient(sqlite, left)
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        _be_patient(sqlite, _BUSY_SECONDS)


def _be_patient(sqlite: Any, seconds: float) -> None:
    sqlite.execute(f"PRAGMA busy_timeout = {max(0, int(seconds * 1000))}")
