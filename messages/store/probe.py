"""The probe behind `/readyz`: whether the store can be written to, found out by a small real write."""

import threading
import time

from sqlalchemy import Connection, false, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from messages.store.database import Database
from messages.store.reading import ping
from messages.store.schema import attachments, deliveries, events, messages, objects, secrets

#: Between two writes of one process, in seconds; in between it only reads, unless something failed.
_PAUSE = 0.25

#: Seconds after which the probe gives up.
_PATIENCE = 5

#: The row that is written, in a table that has few.
_ROW = "probe"


class Probe:
    """One at a time writes, however many ask."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._written_at = float("-inf")  # by time.monotonic()

    def check(self) -> None:
        """Raise StoreUnavailable unless the store can be written to."""
        with self._lock:
            since = max(time.monotonic() - _PAUSE, self._database.availability.failed_at)
            if self._written_at > since:
                with self._database.read() as tx:
                    ping(tx)
                return
            with self._database.write(time.monotonic() + _PATIENCE) as tx:
                _ask_for_rights(tx)
                _write(tx)
            self._written_at = time.monotonic()


def _ask_for_rights(tx: Connection) -> None:
    """Ask for what acceptance needs, by statements that write no row."""
    for table in (messages, deliveries, events, objects, attachments):
        names = [column.name for column in table.c]
        tx.execute(insert(table).from_select(names, select(table).where(false())))
    for column in (messages.c.status, deliveries.c.state, objects.c.body):
        tx.execute(update(column.table).where(false()).values({column: column}))


def _write(tx: Connection) -> None:
    # Another value each time: SQLite writes nothing where nothing changes.
    row = {"value": time.time_ns().to_bytes(8)}
    dialect = sqlite if tx.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(secrets).values(name=_ROW, **row)
    tx.execute(statement.on_conflict_do_update(index_elements=["name"], set_=row))
