"""SQLite as the store: one file, one writer at a time."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from sqlite3 import SQLITE_BUSY
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, InvalidatePoolError

from messages.store.sqlite_files import GONE, Files, make_private

#: How long anybody waits, in seconds: for the turn and for SQLite's own lock, both together.
BUSY_SECONDS = 8

#: The option of an Engine that is to write: until when it waits for the lock, by time.monotonic().
WRITE = "roundsman_write"

#: The option of one that is to execute one statement, a transaction by itself.
ALONE = "roundsman_alone"

#: What is known of a connection: the path it was opened by, and its files.
_PATH, _FILES = "roundsman_path", "roundsman_files"

#: Seconds that nobody minds waiting longer: each change of SQLite's patience costs two statements.
_SOON = 1


def sqlite_engine(url: str, patience: float | None = None) -> Engine:
    """Connects at first use. `patience`: seconds for SQLite's own lock, once it is connected."""
    patience = BUSY_SECONDS if patience is None else patience
    engine = create_engine(
        url,
        connect_args={"timeout": BUSY_SECONDS, "isolation_level": None, "check_same_thread": False},
        hide_parameters=True,
    )
    event.listen(engine, "do_connect", _connect)
    event.listen(engine, "connect", partial(_prepare, patience=patience))
    event.listen(engine, "checkout", _check_file)
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


def files_of(connection: Connection) -> Files | None:
    """Return what a connection has open; None for a store in memory."""
    files: Files | None = connection.info.get(_FILES)
    return files


def _connect(_dialect: object, record: Any, args: list[Any], options: dict[str, Any]) -> Any:
    """Open the file, but never make it: an empty one in the place of a store would hide that it is gone."""
    path = args[0]
    if path == ":memory:" or options.get("uri"):
        return None
    record.info[_PATH] = path
    make_private(path)
    return sqlite3.connect(f"file:{quote(path)}?mode=rw", **options, uri=True)


def _check_file(_connection: object, record: Any, _proxy: object) -> None:
    files = record.info.get(_FILES)
    if files is not None and not files.are_there():
        raise InvalidatePoolError(GONE)  # the pool opens another one, of the file that is there now


def _prepare(connection: Any, record: Any, *, patience: float) -> None:
    try:
        _set_up(connection, patience)
        if path := record.info.get(_PATH):
            record.info[_FILES] = Files(path)
    except BaseException:
        connection.close()
        raise


def _set_up(connection: Any, patience: float) -> None:
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",  # accepted means kept, also when the power fails
        "foreign_keys=ON",
        "cache_size=-32000",
        "temp_store=MEMORY",  # what a procedure notes
        f"busy_timeout={int(patience * 1000)}",
    ):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()  # now all its files are open


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
