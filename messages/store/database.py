"""The engine and its transactions: one writer at a time on SQLite, no half-open transaction anywhere."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from messages.errors import StoreUnavailable
from messages.store import postgresql, sqlite
from messages.store.availability import Availability
from messages.store.faults import cause_of, is_store_fault
from messages.store.procedure import Made, Procedure, Rows
from messages.store.turn import Turn

#: Seconds for which a procedure tries to write before it waits for its turn to.
_QUICK_SECONDS = 0.003


class _Busy(StoreUnavailable):
    """Others write to the file."""


class Database:
    """An engine for `url` (sqlite:/// or postgresql+psycopg://). Connects at first use.

    `patient`: for statements that may take as long as they take.
    """

    def __init__(self, url: str, *, patient: bool = False) -> None:
        self.engine: Engine
        # It logs a traceback for each connection that was lost. What that kept from being done raises.
        logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
        self.availability = Availability()
        self._turn: Callable[[float], AbstractContextManager[object]] = nullcontext
        if not url.startswith("sqlite"):
            self.engine, self._at_once = postgresql.postgresql_engines(url, patient=patient)
            return
        self.engine = sqlite.sqlite_engine(url)
        # To run a procedure: at once, and in its turn.
        alone = {sqlite.ALONE: True}
        self._at_once = sqlite.sqlite_engine(url, _QUICK_SECONDS).execution_options(**alone)
        self._in_turn = self.engine.execution_options(**alone)
        if self.engine.url.database:
            self._turn = Turn(Path(self.engine.url.database), sqlite.BUSY_SECONDS)

    @property
    def is_sqlite(self) -> bool:
        """Whether the store is one SQLite file."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def write(self, until: float | None = None) -> Iterator[Connection]:
        """A write transaction: committed at the end, rolled back on an error. Raises StoreUnavailable.

        `until`: by time.monotonic(); what is not ready to be committed by then is rolled back.
        """
        busy_until = min(time.monotonic() + sqlite.BUSY_SECONDS, until or float("inf"))
        engine = self.engine
        if self.is_sqlite:
            engine = engine.execution_options(**{sqlite.WRITE: busy_until})
        with self._watched():
            with self._turn(busy_until), _opened(engine.begin) as connection:
                yield connection
                if until is not None and time.monotonic() > until:
                    raise StoreUnavailable("the store was too slow: whoever waited for it has gone away")
                files = sqlite.files_of(connection)
            if files is not None:
                files.check()

    def run(self, procedure: Procedure, rows: Rows, *, at_once: bool = False, **parameters: Any) -> Made:
        """Run it in a transaction of its own, for rows by step. Raises StoreUnavailable.

        `at_once`: PostgreSQL is asked once, and commits by itself. If it freezes before it answers, it may do
        so long after it was given up; so this is for what then does no harm.
        """
        if not any(rows.values()):
            return {step: [] for step in rows}
        with self._watched():
            return self._run(procedure, rows, parameters, at_once=at_once)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """To read: on SQLite one consistent view, on PostgreSQL one a statement. Raises StoreUnavailable."""
        connect = self.engine.begin if self.is_sqlite else self._at_once.connect
        with self._watched(), _opened(connect) as connection:
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()
        self._at_once.dispose()

    def _run(self, procedure: Procedure, rows: Rows, parameters: Mapping[str, Any], *, at_once: bool) -> Made:
        if not self.is_sqlite:
            with _opened(self._at_once.connect if at_once else self.engine.begin) as connection:
                return procedure.on_postgresql(connection, rows, parameters)
        # At first without the turn, which would be held while Python's own lock is waited for: mostly nobody
        # else writes just then.
        with suppress(_Busy):
            return self._run_on_sqlite(self._at_once, procedure, rows, parameters)
        busy_until = time.monotonic() + sqlite.BUSY_SECONDS
        with self._turn(busy_until):
            return self._run_on_sqlite(self._in_turn, procedure, rows, parameters, busy_until)

    def _run_on_sqlite(
        self,
        engine: Engine,
        procedure: Procedure,
        rows: Rows,
        parameters: Mapping[str, Any],
        busy_until: float | None = None,
    ) -> Made:
        with _opened(engine.begin) as connection:
            waiting = nullcontext() if busy_until is None else sqlite.patience(connection, busy_until)
            try:
                with waiting:
                    procedure.install_on_sqlite(connection)
                    procedure.on_sqlite(connection, rows, parameters)
            except OperationalError as error:
                if sqlite.is_busy(error):
                    raise _Busy(cause_of(error)) from None
                raise
            if files := sqlite.files_of(connection):
                files.check()
            return procedure.made_on_sqlite(connection, rows)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Log each cause for which the store is unavailable, once."""
        try:
            yield
        except StoreUnavailable as error:
            self.availability.failed(str(error))
            raise
        self.availability.succeeded()


@contextmanager
def _opened(connect: Callable[[], AbstractContextManager[Connection]]) -> Iterator[Connection]:
    """A connection. Raises StoreUnavailable where the store is.

    A connection whose state is not known after an error is given up, so that the next one is a new one.
    """
    try:
        with connect() as connection:
            try:
                yield connection
            except BaseException as error:
                if not connection.invalidated and _may_be_spoiled(connection, error):
                    connection.invalidate(error)
                raise
    except PoolTimeoutError as error:
        raise StoreUnavailable(cause_of(error)) from None
    except (DBAPIError, postgresql.Error) as error:
        if is_store_fault(error):
            raise StoreUnavailable(cause_of(error)) from None
        raise


def _may_be_spoiled(connection: Connection, error: BaseException) -> bool:
    if postgresql.is_spoiled(connection):
        return True
    if not isinstance(error, DBAPIError | postgresql.Error) or not is_store_fault(error):
        return False
    return not (isinstance(error, DBAPIError) and sqlite.is_busy(error))
