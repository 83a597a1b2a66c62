"""One statement for many rows: they travel as one JSON parameter, and the database takes them apart.

A statement costs the driver, SQLAlchemy and PostgreSQL's round trip some 100 µs each time it is
executed, the rows in it next to nothing. So what is done for every Delivery, and always for many of them
together, is written as SQL over `{rows}`, a table of the given columns. SQLite and PostgreSQL differ only
in how that table is spelt.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import orjson
from sqlalchemy import Connection, CursorResult, TextClause, text


class RowsStatement:
    """`sql` is executed for all rows at once; in it `{rows}` is a table `r` of `columns`: name → SQL type."""

    def __init__(self, sql: str, **columns: str) -> None:
        self._sql, self._columns = sql, columns

    def run(self, tx: Connection, rows: Sequence[Mapping[str, Any]], **parameters: Any) -> CursorResult[Any]:
        """Execute it. Every row needs every column; None is NULL."""
        statement = self._sqlite if tx.dialect.name == "sqlite" else self._postgresql
        return tx.execute(statement, {"rows": orjson.dumps(rows).decode(), **parameters})

    @cached_property
    def _sqlite(self) -> TextClause:
        columns = ", ".join(f"json_extract(value, '$.{name}') AS {name}" for name in self._columns)
        return self._over(f"(SELECT {columns} FROM json_each(:rows)) AS r")  # noqa: S608 - names, not values

    @cached_property
    def _postgresql(self) -> TextClause:
        columns = ", ".join(f"{name} {sql_type}" for name, sql_type in self._columns.items())
        return self._over(f"json_to_recordset(CAST(:rows AS json)) AS r({columns})")

    def _over(self, rows: str) -> TextClause:
        return text(self._sql.replace("{rows}", rows))
