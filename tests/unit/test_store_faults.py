"""Which errors of a database are the store's, and which are a Message's own."""

import sqlite3

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from messages.store.faults import cause_of, is_store_fault

#: SQLSTATE → whether it is the store's: of each class that a statement of ours can meet.
BY_SQLSTATE = {
    "08006": True,  # connection failure
    "08P01": True,  # protocol violation: a pooler refuses what it does not know
    "0A000": True,  # cached plan must not change result type: a migration under running processes
    "22001": False,  # string data right truncation
    "22003": False,  # numeric value out of range
    "22021": False,  # character not in repertoire
    "22P02": False,  # invalid text representation
    "22P05": False,  # untranslatable character
    "23502": False,  # not null violation
    "23505": False,  # unique violation
    "23514": False,  # check violation
    "25006": True,  # read-only transaction
    "25P02": True,  # in failed transaction
    "26000": True,  # prepared statement does not exist
    "28000": True,  # invalid authorization
    "28P01": True,  # invalid password
    "3D000": True,  # database does not exist
    "3F000": True,  # schema does not exist
    "40001": True,  # serialization failure
    "40P01": True,  # deadlock
    "42501": True,  # insufficient privilege
    "42601": True,  # syntax error
    "42703": True,  # undefined column
    "42P01": True,  # undefined table
    "42P05": True,  # duplicate prepared statement
    "44000": False,  # with check option violation
    "53100": True,  # disk full
    "53200": True,  # out of memory
    "53300": True,  # too many connections
    "54000": False,  # program limit exceeded: a value too long for its index
    "55006": True,  # object in use
    "55P03": True,  # lock not available
    "57014": True,  # statement timeout
    "57P01": True,  # admin shutdown
    "57P03": True,  # cannot connect now
    "58030": True,  # I/O error
    "58P01": True,  # file of a table is gone
    "P0001": False,  # raised by a trigger
    "XX000": True,  # internal error
    "XX001": True,  # data corrupted
}

#: SQLite's result code → whether it is the store's.
BY_CODE = {
    sqlite3.SQLITE_ERROR: True,  # no such table, no such column
    sqlite3.SQLITE_PERM: True,
    sqlite3.SQLITE_BUSY: True,
    sqlite3.SQLITE_BUSY_SNAPSHOT: True,
    sqlite3.SQLITE_LOCKED: True,
    sqlite3.SQLITE_NOMEM: True,
    sqlite3.SQLITE_READONLY: True,
    sqlite3.SQLITE_READONLY_DBMOVED: True,
    sqlite3.SQLITE_IOERR: True,
    sqlite3.SQLITE_IOERR_FSYNC: True,
    sqlite3.SQLITE_CORRUPT: True,
    sqlite3.SQLITE_FULL: True,
    sqlite3.SQLITE_CANTOPEN: True,
    sqlite3.SQLITE_PROTOCOL: True,
    sqlite3.SQLITE_NOTADB: True,
    sqlite3.SQLITE_TOOBIG: False,
    sqlite3.SQLITE_CONSTRAINT: False,
    sqlite3.SQLITE_CONSTRAINT_UNIQUE: False,
    sqlite3.SQLITE_MISMATCH: False,
}


def wrapped(error):
    """As SQLAlchemy raises it."""
    return DBAPIError.instance("SELECT 1", None, error, (psycopg.Error, sqlite3.Error))


@pytest.mark.parametrize(("sqlstate", "is_stores"), BY_SQLSTATE.items())
def test_sqlstate_says_whose_fault_an_error_of_postgresql_is(sqlstate, is_stores):
    error = psycopg.errors.lookup(sqlstate)("the text may quote dana@customer.example")
    assert is_store_fault(error) == is_stores
    assert is_store_fault(wrapped(error)) == is_stores
    assert cause_of(error).startswith(f"the store is unavailable: {type(error).__name__} ({sqlstate})")
    assert "dana" not in cause_of(error)


@pytest.mark.parametrize(("code", "is_stores"), BY_CODE.items())
def test_result_code_says_whose_fault_an_error_of_sqlite_is(code, is_stores):
    error = sqlite3.DatabaseError("it says so")
    error.sqlite_errorcode = code
    assert is_store_fault(wrapped(error)) == is_stores
    assert cause_of(wrapped(error)) == "the store is unavailable: it says so"


@pytest.mark.parametrize(
    ("error", "is_stores"),
    [
        (psycopg.OperationalError("connection refused"), True),
        (psycopg.ProgrammingError("can't change 'autocommit' now"), True),
        (psycopg.InterfaceError("the connection is closed"), True),
        (psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes"), False),
        (sqlite3.ProgrammingError("Cannot operate on a closed database."), True),
        (sqlite3.InterfaceError("Error binding parameter 0: type 'dict' is not supported"), False),
    ],
)
def test_error_of_a_driver_itself_is_the_stores_unless_it_names_a_value(error, is_stores):
    assert is_store_fault(wrapped(error)) == is_stores


def test_cause_says_what_to_do_about_a_missing_table():
    error = sqlite3.OperationalError("no such table: messages")
    assert cause_of(error) == "the store is unavailable: no such table: messages: run roundsman migrate"
