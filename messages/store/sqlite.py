"""SQLite as the store: one file, one writer at a time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from sqlite3 import SQLITE_BUSY
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

#: How long anybody waits, in seconds: for the turn and for SQLite's own lock, both together.
BUSY_SECONDS = 8

#: The option of an Engine that is to write: until when it waits for the lock, by time.monotonic().
WRITE = "roundsman_write"

#: The option of one that is to execute one statement, a transaction by itself.
ALONE = "roundsman_alone"

#: Seconds that nobody minds waiting longer: each change of SQLite's patience costs two statements.
_SOON = 1


def sqlite_engine(url: str, patience: float = BUSY_SECONDS) -> Engine:
    """Connects at first use. `patience`: seconds for SQLite's own lock, once it is connected."""
    engine = create_engine(
        url,
        connect_args={"timeout": BUSY_SECONDS, "isolation_level": None, "check_same_thread": False},
        hide_parameters=True,
    )
    event.listen(engine, "connect", partial(_prepare, patience=patience))
    event.listen(engine, "begin", _begin)
    return engine


def is_busy(error: DBAPIError) -> bool:
    """Whether others wrote all the time that it was patient for."""
    code: int = getattr(error.orig, "sqlite_errorcode", 0)
    return code & 0xFF == SQLITE_BUSY  # above that is which kind of busy


@contextmanager
def patience(connection: Connection, busy_until: float) -> Iterator[None]:
    """Somebody without the turn, such as the sqlite3 shell, may hold the lock: wait for what time is left."""
    left = busy_until - time.monotonic()
    if left > BUSY_SECONDS - _SOON:  # as it is
        yield
        return
    _be_patient(connection, left)
    try:
        yield
    finally:
        _be_patient(connection, BUSY_SECONDS)


def _be_patient(connection: Connection, seconds: float) -> None:
    sqlite: Any = connection.connection
    sqlite.execute(f"PRAGMA busy_timeout = {max(0, int(seconds * 1000))}")


def _prepare(connection: Any, _record: object, *, patience: float) -> None:
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",  # accepted means kept, also when the power fails
        "foreign_keys=ON",
        "cache_size=-32000",
        "temp_store=MEMORY",  # what a procedure notes
        f"busy_timeout={int(patience * 1000)}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    """Take the write lock at once: a deferred transaction that turns to writing fails when others write."""
    options = connection.get_execution_options()
    if ALONE in options:
        return
    if WRITE not in options:
        connection.exec_driver_sql("BEGIN")
        return
    with patience(connection, options[WRITE]):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
