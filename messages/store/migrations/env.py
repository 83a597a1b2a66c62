"""Alembic's entry: runs the steps in one transaction on the database that `migrate` names."""

from alembic import context
from sqlalchemy import text

from messages.store.database import Database
from messages.store.schema import metadata

#: Any number, the same for all who migrate: "RNDS".
_LOCK = 0x524E4453

_database = Database(context.config.attributes["url"], patient=True)
try:
    with _database.engine.execution_options(roundsman_write=True).begin() as _connection:
        if not _database.is_sqlite:
            _connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        context.configure(connection=_connection, target_metadata=metadata, transactional_ddl=False)
        context.run_migrations()
finally:
    _database.close()
