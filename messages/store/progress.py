"""Progress: what begins and what ends, in one commit."""

from collections.abc import Sequence

from messages.delivery import Beginning
from messages.states import DeliveryState
from messages.store.claiming import BEGIN, row_of
from messages.store.database import Database
from messages.store.procedure import Procedure
from messages.store.recording import ADD_SEGMENTS, RECORD, Result, row

_PROGRESS = Procedure("progress", {"now": "bigint"}, record=RECORD, add_segments=ADD_SEGMENTS, begin=BEGIN)


def write_progress(
    database: Database, begun: Sequence[Beginning], results: Sequence[Result], now: int
) -> tuple[list[bool], list[bool]]:
    """For each of both, whether its claim was still held; if not, nothing is written.

    Each is written in the order of the Deliveries, as whoever claims them has it.
    """
    begun_order = sorted(range(len(begun)), key=lambda at: begun[at].claim.delivery_id)
    order = sorted(range(len(results)), key=lambda at: results[at].claim.delivery_id)
    held, known = _write(database, [begun[at] for at in begun_order], [results[at] for at in order], now)
    return _back(held, begun_order), _back(known, order)


def _back(answers: Sequence[bool], order: Sequence[int]) -> list[bool]:
    """In the order that was before: `order` says of each where it was."""
    back = [False] * len(order)
    for at, answer in zip(order, answers, strict=True):
        back[at] = answer
    return back


def _write(
    database: Database, begun: Sequence[Beginning], results: Sequence[Result], now: int
) -> tuple[list[bool], list[bool]]:
    recorded = [row(result, now) for result in results]
    texts = [one for one in recorded if one["new_state"] is DeliveryState.SENT and one["new_segments"]]
    rows = {"record": recorded, "add_segments": texts, "begin": [row_of(one) for one in begun]}
    made = database.run(_PROGRESS, rows, now=now)
    reported = [one for one, added in zip(texts, made["add_segments"], strict=True) if added]
    known = [held or one in reported for held, one in zip(made["record"], recorded, strict=True)]
    return made["begin"], known
