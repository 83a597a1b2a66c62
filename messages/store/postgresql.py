"""PostgreSQL as the store: nobody waits long for a server that is frozen, or for a lock in it."""

import logging
import time
from collections.abc import Generator, Mapping
from contextlib import nullcontext
from functools import partial
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DisconnectionError

from messages.urls import hosts_in_query

#: What psycopg raises; and what it raises by itself of a value that PostgreSQL cannot hold.
Error = psycopg.Error
DATA_ERRORS = (psycopg.DataError, psycopg.IntegrityError)

#: How long anybody waits, in seconds: for one answer, and for a connection.
_ANSWER_SECONDS = 6
_CONNECT_SECONDS = 3

#: A connection that was not used for so long is tried before it is. To try it each time costs a round trip.
_TRIED_AFTER = 1

_OPTIONS = {
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
            # One plan does for one row and for a thousand; to plan anew takes as long as the statement.
            "-c plan_cache_mode=force_generic_plan",
            "-c jit=off",  # none of our statements is long enough to gain by it
        )
    ),
}


def postgresql_engines(url: str, *, patient: bool) -> tuple[Engine, Engine]:
    """For transactions, and for what is one by itself: each statement, or pipeline of them, commits.

    They connect at first use. `patient`: answers may take as long as they take.
    """
    parsed = make_url(hosts_in_query(url))
    parsed = parsed.set(query=_OPTIONS | dict(parsed.query))
    engines = (
        create_engine(parsed, pool_size=3, max_overflow=5, pool_timeout=5, hide_parameters=True),
        create_engine(
            parsed, pool_size=8, max_overflow=8, pool_timeout=5, hide_parameters=True,
            isolation_level="AUTOCOMMIT",
            pool_reset_on_return=None,  # there is nothing to be rolled back
        ),
    )  # fmt: skip
    trial = Trial()
    for engine in engines:
        trial.of(engine)
        kind = psycopg.Connection if patient else ImpatientConnection
        event.listen(engine, "do_connect", partial(_connect, kind))
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # it warns of what is raised anyway
    return engines


def is_spoiled(connection: Connection) -> bool:
    """Whether a connection was lost meanwhile, or failed while it commits by itself.

    The latter is not rolled back. It might be left within a pipeline, and psycopg would take for prepared
    what was behind a statement that failed in one.
    """
    driver = connection.connection.driver_connection
    return isinstance(driver, psycopg.Connection) and (driver.closed or driver.autocommit)


def execute(tx: Connection, sql: str, parameters: Mapping[str, Any]) -> list[Any]:
    """Execute it, with the BEGIN where one is due; returns rows with their columns by name.

    In SQLAlchemy's way a statement takes twice as long, and a BEGIN is waited for by itself. Raises what
    psycopg raises.
    """
    driver: Any = tx.connection.driver_connection
    with nullcontext() if driver.autocommit else driver.pipeline():
        cursor = driver.cursor(row_factory=namedtuple_row).execute(sql, parameters)
    # Not its `description`, which is put together when it is asked for: half as dear as the statement.
    return [] if cursor.rownumber is None else cursor.fetchall()


class Trial:
    """Tries connections that may have been lost since they were used: long ago, or before one was lost."""

    def __init__(self) -> None:
        self._lost = 0.0  # when one was, by time.monotonic()

    def of(self, engine: Engine) -> None:
        """Those of this engine."""
        event.listen(engine, "checkout", self._try)
        event.listen(engine, "checkin", self._note)

    def _try(self, connection: Any, record: Any, _proxy: object) -> None:
        used = record.info.get("used")
        if used is None or (used > self._lost and time.monotonic() - used < _TRIED_AFTER):
            return
        before = connection.autocommit
        try:
            connection.autocommit = True  # else it takes four round trips
            connection.execute("SELECT 1")
            connection.autocommit = before
        except psycopg.Error as error:
            self._lost = time.monotonic()
            raise DisconnectionError from error  # the pool opens another one

    def _note(self, connection: Any, record: Any) -> None:
        if connection is None or connection.closed:
            self._lost = time.monotonic()
        record.info["used"] = time.monotonic()


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


def _connect(
    kind: type[psycopg.Connection[Any]],
    _dialect: object,
    _record: object,
    args: list[Any],
    options: dict[str, Any],
) -> Any:
    """Connect, also through a pooler such as PgBouncer, which may give each transaction another server."""
    try:
        connection = kind.connect(*args, **options)
    except psycopg.OperationalError as error:
        if "unsupported startup parameter" not in str(error):
            raise
        # What they set saves time, and nothing depends on it.
        connection = kind.connect(*args, **{name: options[name] for name in options if name != "options"})
    try:
        if _is_pooled(connection):  # another server would not know a statement, or another of that name
            connection.prepare_threshold = None
    except BaseException:
        connection.close()
        raise
    return connection


def _is_pooled(connection: psycopg.Connection[Any]) -> bool:
    """Whether the server at the other end is not the one that answered the login."""
    connection.autocommit = True  # else this begins a transaction
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    connection.autocommit = False
    return row is None or row[0] != connection.info.backend_pid
