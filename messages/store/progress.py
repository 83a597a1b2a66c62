"""Progress: what begins and what ends, in one commit."""

from collections.abc import Sequence

from messages.delivery import Beginning
from messages.store.claiming import BEGIN, row_of
from messages.store.database import Database
from messages.store.procedure import Procedure
from messages.store.recording import RECORD, Result, row, was_reported

_PROGRESS = Procedure("progress", {"now": "bigint"}, record=RECORD, begin=BEGIN)


def write_progress(
    database: Database, begun: Sequence[Beginning], results: Sequence[Result], now: int
) -> tuple[list[bool], list[bool]]:
    """For each of both, whether its claim was still held; if not, nothing is written."""
    rows = {"record": [row(result, now) for result in results], "begin": [row_of(one) for one in begun]}
    made = database.run(_PROGRESS, rows, now=now)
    recorded = [
        was_held or was_reported(database, result)
        for was_held, result in zip(made["record"], results, strict=True)
    ]
    return made["begin"], recorded
