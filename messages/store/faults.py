"""Whose fault a database error is: the store's, which is unavailable then, or the Message's own.

An error that another Message would meet as well says nothing of the Message at hand: a lost privilege, a
missing table, a full disk, a connection pooler that lost a prepared statement. So an error is the store's
unless it is known to be about data.
"""

import sqlite3

from sqlalchemy.exc import DBAPIError

from messages.store import postgresql

#: SQLSTATE classes that are about the data of one statement: wrong data, broken constraint, broken check of a
#: view, beyond a limit of PostgreSQL, raised by a trigger. All others are the store's, among them 08
#: connection, 25 read-only or aborted transaction, 26 lost prepared statement, 28 login, 3D database,
#: 40 serialization, 42 privilege, table or column, 53 out of resources, 55 and 57 lock, time-out or shutdown,
#: 58 operating system, XX internal error.
_DATA_CLASSES = frozenset({"22", "23", "44", "54", "P0"})

#: Likewise of SQLite's result codes.
_DATA_CODES = frozenset({sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH})

#: Errors of the driver itself, without a code of the database: a value that the database cannot hold.
_DATA_ERRORS = (*postgresql.DATA_ERRORS, sqlite3.DataError)

#: What to do, where it is not obvious: by SQLSTATE, or by the first words of SQLite.
_ADVICE = {
    "25006": "the server is read-only: a standby, or a disk that filled up",
    "26000": "a connection pooler lost a prepared statement",
    "42501": "grant the user its privileges on all tables again",
    "42703": "run roundsman migrate",
    "42P01": "run roundsman migrate",
    "42P05": "a connection pooler mixed up prepared statements",
    "53100": "its disk is full",
    "53300": "it allows no more connections",
    "no such table": "run roundsman migrate",
    "no such column": "run roundsman migrate",
}


def is_store_fault(error: DBAPIError | postgresql.Error) -> bool:
    """Whether the store is unavailable, so that the same statement may succeed later."""
    if getattr(error, "connection_invalidated", False):
        return True
    original = getattr(error, "orig", None) or error
    if sqlstate := getattr(original, "sqlstate", None):
        return sqlstate[:2] not in _DATA_CLASSES
    if isinstance(original, sqlite3.Error):
        return not _is_about_data(original)
    return not isinstance(original, _DATA_ERRORS)


def cause_of(error: Exception) -> str:
    """What is wrong, in one line. A server's text may quote a statement's values: only its name is shown."""
    original = getattr(error, "orig", None) or error
    sqlstate = getattr(original, "sqlstate", None)
    lines = str(original).strip().splitlines() or [type(original).__name__]
    said = f"{type(original).__name__} ({sqlstate})" if sqlstate else lines[0]
    advice = next((text for key, text in _ADVICE.items() if key in (sqlstate, said.partition(":")[0])), "")
    return f"the store is unavailable: {said}" + (f": {advice}" if advice else "")


def _is_about_data(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # of the sqlite3 module itself
        return isinstance(error, sqlite3.DataError) or str(error).startswith("Error binding parameter")
    return code & 0xFF in _DATA_CODES or str(error).startswith("malformed JSON")
