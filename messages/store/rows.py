"""One statement for many rows: they travel as one JSON parameter, and the database takes them apart.

A statement costs the driver, SQLAlchemy and PostgreSQL's round trip some 100 µs each time it is
executed, the rows in it next to nothing. So what is done for every Delivery, and always for many of them
together, is written as SQL over `{rows}`, a table of the given columns. SQLite and PostgreSQL differ only
in how that table is spelt.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import orjson
from sqlalchemy import Connection

from messages.store import postgresql

_PARAMETER = re.compile(r"(?<![:\w]):(\w+)")


class RowsStatement:
    """`sql` is executed for all rows at once; in it `{rows}` is a table `r` of `columns`: name → SQL type."""

    def __init__(self, sql: str, **columns: str) -> None:
        self._sql, self._columns = sql, columns

    def run(self, tx: Connection, rows: Sequence[Mapping[str, Any]], **parameters: Any) -> Sequence[Any]:
        """Execute it; returns rows with their columns by name. Every row needs every column; None is NULL."""
        parameters["rows"] = orjson.dumps(rows).decode()
        if tx.dialect.name != "sqlite":
            return postgresql.execute(tx, self._postgresql, {**parameters, "count": len(rows)})
        result = tx.exec_driver_sql(self._sqlite, parameters)
        return result.all() if result.returns_rows else ()

    @cached_property
    def _sqlite(self) -> str:
        columns = ", ".join(f"json_extract(value, '$.{name}') AS {name}" for name in self._columns)
        rows = f"(SELECT {columns} FROM json_each(:rows)) AS r"  # noqa: S608 - names, not values
        return self._sql.replace("{rows}", rows)

    @cached_property
    def _postgresql(self) -> str:
        sql = _PARAMETER.sub(r"%(\1)s", self._sql)
        return sql.replace("{rows}", f"({postgresql_rows(self._columns)}) AS r")


def postgresql_rows(columns: Mapping[str, str], more: str = "") -> str:
    """A SELECT of the parameter `rows`, `count` of them, each with its `place`, from 1. `more`: columns."""
    typed = ", ".join(f"{name} {sql_type}" for name, sql_type in columns.items())
    table = f"ROWS FROM (json_to_recordset(CAST(%(rows)s AS json)) AS ({typed})) WITH ORDINALITY"
    # Without the LIMIT it expects a hundred rows, and would rather read a whole table than look those up.
    return f"SELECT j.*{more} FROM {table} AS j({', '.join(columns)}, place) LIMIT %(count)s"  # noqa: S608 - ours


def keys(ids: Iterable[str], column: str = "key") -> list[dict[str, str]]:
    """Rows of one column."""
    return [{column: one} for one in ids]
