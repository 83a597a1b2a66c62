"""Fills a store with Messages of the past: one that was really sent, copied by SQL as often as wanted."""

from collections.abc import Iterator

from sqlalchemy import Column, Connection, Engine, Table, create_engine, text

from messages.store.schema import metadata

#: Rows of one table in one transaction.
_CHUNK = 100_000

#: ms between two of them.
_APART = 50


def copy(url: str, message_id: str, count: int) -> None:
    """Make `count` copies, named old-0, old-1, …, each some ms older than the one before.

    Whatever table has rows of that Message gets rows of the copies, whichever columns it has.
    """
    engine = create_engine(url)
    with engine.connect() as connection:
        row = connection.execute(
            text("SELECT id FROM deliveries WHERE message_id = :message"), {"message": message_id}
        ).one()
    for table in metadata.sorted_tables:
        if (statement := _copying(table)) is not None:
            for begin in range(0, count, _CHUNK):
                given = {"message": message_id, "delivery": row.id}
                with engine.begin() as connection:
                    end = min(count, begin + _CHUNK)
                    connection.execute(text(statement), {"begin": begin, "end": end, **given})
    _settle(engine)
    engine.dispose()


def _copying(table: Table) -> str | None:
    """One INSERT for both databases, or None where the table knows no Messages."""
    if table.name == "messages":
        of_this = "id = :message"
    elif "message_id" in table.c:
        of_this = "message_id = :message"
    elif "delivery_id" in table.c:
        of_this = "delivery_id = :delivery"
    else:
        return None
    columns = dict(_columns(table))
    return (
        f"INSERT INTO {table.name} ({', '.join(columns)}) "  # noqa: S608 - names of our own schema
        "WITH RECURSIVE s(n) AS (SELECT CAST(:begin AS INTEGER) UNION ALL "
        "SELECT n + 1 FROM s WHERE n + 1 < CAST(:end AS INTEGER)), "
        # Looked up once; without statistics PostgreSQL would do it for each copy.
        f"p AS MATERIALIZED (SELECT * FROM {table.name} WHERE {of_this}) "
        f"SELECT {', '.join(columns.values())} FROM p CROSS JOIN s"
    )


def _columns(table: Table) -> Iterator[tuple[str, str]]:
    for column in table.columns:
        if not _counts_itself(column):
            yield column.name, _expression(table, column)


def _expression(table: Table, column: Column[object]) -> str:
    if column.name == "message_id" or (table.name == "messages" and column.name == "id"):
        return "'old-' || CAST(s.n AS TEXT)"
    if column.name == "delivery_id" or (table.name == "deliveries" and column.name == "id"):
        copied = "'dlv_old' || CAST(s.n AS TEXT)"
        return f"CASE WHEN p.{column.name} IS NULL THEN NULL ELSE {copied} END"
    if column.name in ("created_at", "at"):
        return f"p.{column.name} - (s.n + 1) * {_APART}"
    return f"p.{column.name}"


def _counts_itself(column: Column[object]) -> bool:
    return column.primary_key and column.type.python_type is int and column.name == "id"


def _settle(engine: Engine) -> None:
    """What the database would do by itself within a minute is not to happen while it is measured."""
    autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
    with autocommit.connect() as connection:
        for statement in _SETTLING[engine.dialect.name]:
            _execute(connection, statement)


_SETTLING = {
    "sqlite": ("PRAGMA wal_checkpoint(TRUNCATE)",),
    "postgresql": ("VACUUM ANALYZE", "CHECKPOINT"),
}


def _execute(connection: Connection, statement: str) -> None:
    connection.exec_driver_sql(statement)
