"""Progress: what begins and what ends, in one commit."""

from collections.abc import Sequence

from messages.delivery import Beginning
from messages.states import DeliveryState
from messages.store.claiming import BEGIN, row_of
from messages.store.database import Database
from messages.store.ordering import order_of, put_back
from messages.store.procedure import Procedure
from messages.store.recording import ADD_SEGMENTS, RECORD, Result, row

_PROGRESS = Procedure("progress", {"now": "bigint"}, record=RECORD, add_segments=ADD_SEGMENTS, begin=BEGIN)


def write_progress(
    database: Database, begun: Sequence[Beginning], results: Sequence[Result], now: int
) -> tuple[list[bool], list[bool]]:
    """For each of both, whether its claim was still held; if not, nothing is written."""
    begun_order, order = order_of([one.claim for one in begun]), order_of([one.claim for one in results])
    held, known = _write(database, [begun[at] for at in begun_order], [results[at] for at in order], now)
    return put_back(held, begun_order), put_back(known, order)


def _write(
    database: Database, begun: Sequence[Beginning], results: Sequence[Result], now: int
) -> tuple[list[bool], list[bool]]:
    recorded = [row(result, now) for result in results]
    texts = [one for one in recorded if one["new_state"] is DeliveryState.SENT and one["new_segments"]]
    rows = {"record": recorded, "add_segments": texts, "begin": [row_of(one) for one in begun]}
    # What ended has ended, however late that is written. But what was not marked as begun was not sent.
    made = database.run(_PROGRESS, rows, at_once=not begun, now=now)
    reported = [one for one, added in zip(texts, made["add_segments"], strict=True) if added]
    known = [held or one in reported for held, one in zip(made["record"], recorded, strict=True)]
    return made["begin"], known
