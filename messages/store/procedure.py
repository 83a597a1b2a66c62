"""What the database does for many rows in one call, as a stored procedure would.

What is claimed, begun or recorded is written in several tables. A statement for each would cost
a round trip to PostgreSQL; and on SQLite, whose one writer is waited for by all others, a wait for Python's
own lock, of up to 5 ms while other threads compute. So all of it goes to the database together: to SQLite as
one INSERT into a view, whose triggers do the rest; to PostgreSQL as a pipeline, of which only the end is
waited for. That is all there is to this module: it puts the same few statements into these two forms.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson
from sqlalchemy import Connection

from messages.store.rows import postgresql_rows

#: Rows, by step; and of each row, whether its change was made.
Rows = Mapping[str, Sequence[Mapping[str, Any]]]
Made = dict[str, list[bool]]

_ROW = re.compile(r"\br\.(?=\w)")


@dataclass(frozen=True, slots=True)
class Step:
    """A change of rows, and what follows for those where it was made, since its condition held.

    In the SQL `r.name` is a column of the row at hand, or a parameter; `{rows}` stands where FROM does.
    """

    columns: Mapping[str, str]  #: name → SQL type
    change: str  #: an UPDATE
    then: Sequence[str] = ()  #: in no order; they see neither the change nor one another
    lock: str | None = None  #: what comes before on PostgreSQL; SQLite has one writer
    after: str | None = None  #: sees all of it; whether or not the change was made, it does no harm


class Procedure:
    """Steps in their order, in one transaction. `parameters`: name → SQL type; known to every step."""

    def __init__(self, name: str, parameters: Mapping[str, str], **steps: Step) -> None:
        self._name, self._parameters, self._steps = name, parameters, steps

    def on_postgresql(self, tx: Connection, rows: Rows, parameters: Mapping[str, Any]) -> Made:
        """Do it, at one go: if the connection commits by itself, it is a transaction.

        Else the COMMIT is for whoever began: until that is sent, all of it can be taken back. Raises what
        psycopg raises.
        """
        driver: Any = tx.connection.driver_connection
        given = {
            step: {**parameters, "rows": orjson.dumps(some).decode(), "count": len(some)}
            for step, some in rows.items()
            if some
        }
        asked = [(step, sql) for step in given for sql in self._postgresql[step] if sql is not None]
        with nullcontext() if driver.autocommit and len(asked) == 1 else driver.pipeline():
            answers = {(step, sql): driver.execute(sql, given[step]) for step, sql in asked}
        changes = {step: answers[step, self._postgresql[step][1]] for step in given}
        return _made(rows, {step: [place - 1 for (place,) in answer] for step, answer in changes.items()})

    def install_on_sqlite(self, connection: Connection) -> None:
        """Make it known to a connection; it is gone with that."""
        known: set[str] = connection.info.setdefault("procedures", set())
        if self._name not in known:
            for statement in self._sqlite():
                connection.exec_driver_sql(statement)
            known.add(self._name)

    def on_sqlite(self, connection: Connection, rows: Rows, parameters: Mapping[str, Any]) -> None:
        """Do it, and commit: it is one statement, in no transaction but its own."""
        document = orjson.dumps({**parameters, **rows}).decode()
        connection.exec_driver_sql(f"INSERT INTO temp.{self._name} VALUES (?)", (document,))  # noqa: S608 - ours

    def made_on_sqlite(self, connection: Connection, rows: Rows) -> Made:
        """What came of it; for that, nobody need wait."""
        told = connection.exec_driver_sql("SELECT step, json_group_array(place) FROM temp.made GROUP BY step")
        return _made(rows, {step: orjson.loads(places) for step, places in told})

    @cached_property
    def _postgresql(self) -> dict[str, tuple[str | None, str, str | None]]:
        """What comes before, the change with what follows, and what comes after."""
        return {name: self._postgresql_of(step) for name, step in self._steps.items()}

    def _postgresql_of(self, step: Step) -> tuple[str | None, str, str | None]:
        known = "".join(f", CAST(%({name})s AS {kind}) AS {name}" for name, kind in self._parameters.items())
        given = f"WITH given AS ({postgresql_rows(step.columns, known)})"
        change = f"{given}, changed AS ({_from(step.change, 'given')} RETURNING r.*)"
        for number, statement in enumerate(step.then):
            change += f", then_{number} AS ({_from(statement, 'changed')})"
        return (
            step.lock and f"{given} {_from(step.lock, 'given')}",
            f"{change} SELECT place FROM changed",  # noqa: S608 - likewise
            step.after and f"{given} {_from(step.after, 'given')}",
        )

    def _sqlite(self) -> Iterator[str]:
        yield "CREATE TEMP TABLE IF NOT EXISTS made (step TEXT, place INTEGER)"
        begin = [self._begin(step) for step in self._steps]
        yield from self._trigger(self._name, ["document"], ["DELETE FROM made", *begin])
        for name, step in self._steps.items():
            columns = ["place", *step.columns, *self._parameters]
            where, all_of = f"{self._name}_{name}", ", ".join(f"NEW.{column}" for column in columns)
            passed_on = f"INSERT INTO {where}_made SELECT {all_of} WHERE changes() > 0"
            yield from self._trigger(where, columns, [step.change, passed_on])
            note = f"INSERT INTO made VALUES ('{name}', NEW.place)"  # noqa: S608 - likewise
            follows = [note, *step.then, *([step.after] if step.after else [])]
            yield from self._trigger(f"{where}_made", columns, follows)

    def _begin(self, name: str) -> str:
        """The statement that hands the rows of a step to its trigger."""
        values = ["key", *(f"json_extract(value, '$.{column}')" for column in self._steps[name].columns)]
        values += [f"json_extract(NEW.document, '$.{parameter}')" for parameter in self._parameters]
        rows = f"json_each(NEW.document, '$.{name}')"
        return f"INSERT INTO {self._name}_{name} SELECT {', '.join(values)} FROM {rows}"  # noqa: S608 - likewise

    @staticmethod
    def _trigger(view: str, columns: Sequence[str], statements: Sequence[str]) -> Iterator[str]:
        """A view of these columns; what is inserted into it is row `r` of the statements."""
        empty = ", ".join(f"NULL AS {column}" for column in columns)
        yield f"CREATE TEMP VIEW IF NOT EXISTS {view} AS SELECT {empty}"
        done = "; ".join(_ROW.sub("NEW.", statement.format(rows="")) for statement in statements)
        yield f"CREATE TEMP TRIGGER IF NOT EXISTS do_{view} INSTEAD OF INSERT ON {view} BEGIN {done}; END"


def _from(statement: str, table: str) -> str:
    return statement.format(rows=f"FROM {table} AS r")


def _made(rows: Rows, places: Mapping[str, Sequence[int]]) -> Made:
    found = {step: set(places.get(step, ())) for step in rows}
    return {step: [place in found[step] for place in range(len(some))] for step, some in rows.items()}
