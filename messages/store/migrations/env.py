"""Alembic's entry: runs the steps in one transaction on the database that `migrate` names."""

import time

from alembic import context
from sqlalchemy import text

from messages.store import sqlite
from messages.store.database import Database
from messages.store.schema import metadata

#: Any number, the same for all who migrate: "RNDS".
_LOCK = 0x524E4453

# SQLite's lock is waited for as long as by everything else that writes.
_write = {sqlite.WRITE: time.monotonic() + sqlite.BUSY_SECONDS}
_database = Database(context.config.attributes["url"], patient=True)
try:
    with _database.engine.execution_options(**_write).begin() as _connection:
        if not _database.is_sqlite:
            _connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        context.configure(connection=_connection, target_metadata=metadata, transactional_ddl=False)
        context.run_migrations()
finally:
    _database.close()
