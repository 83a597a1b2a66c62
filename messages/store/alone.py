"""What is alone is claimed by the statement that marks it as begun: it would wait for one more commit.

Until then it is only found, which nobody sees: others may find it, claim it or cancel it meanwhile, and
whoever is first has it. The others must write nothing, though a claim of theirs would have the same number.
So what comes of it before it begins is recorded under a claim that is made for that: see `take`.

What ends the worker that renders it would not be counted as an attempt. So this is only for what was never
tried, and rung for only when it was accepted: if it is lost, the sweep rings again, and then it is claimed
first.
"""

from collections.abc import Sequence
from typing import Any

from messages.delivery import Beginning, Channel, Claim, Lease
from messages.store.claiming import START_ATTEMPTS, TELL, WAITING_WITH_CONTENT, Claimed, claim_of, taking
from messages.store.contents import contents_of
from messages.store.database import Database
from messages.store.ordering import order_of, put_back
from messages.store.procedure import Procedure, Step
from messages.store.rows import RowsStatement, keys

_FRESH = "attempt = 0 AND rung_at = deliveries.created_at"

_FIND = RowsStatement(f"{WAITING_WITH_CONTENT} AND {_FRESH}", key="varchar")

_COLUMNS = {
    "delivery_id": "varchar", "number": "integer", "message_id": "varchar", "new_lease": "bigint",
    "new_worker": "varchar",
}  # fmt: skip
_START_BEGUN = """
    INSERT INTO attempts (delivery_id, number, started_at, text_hash)
    SELECT r.delivery_id, r.number, r.now, r.new_hash {rows}
"""
_CLAIM_ALONE = Procedure(
    "claim_alone",
    {"now": "bigint"},
    begin=Step(
        {**_COLUMNS, "new_hash": "varchar"},
        f"{taking('r.now')} AND {_FRESH}",
        [_START_BEGUN, TELL],
    ),
    take=Step(_COLUMNS, f"{taking('NULL')} AND {_FRESH}", [START_ATTEMPTS, TELL]),
)
_IS_OURS = RowsStatement(
    """
    SELECT id FROM {rows} JOIN deliveries ON deliveries.id = delivery_id
    WHERE attempt = number AND worker = new_worker AND lease_until = new_lease
    """,
    **_COLUMNS,
)


def find(database: Database, delivery_id: str, channel: Channel, lease: Lease) -> Claimed | None:
    """The claim to be made of it, if it waits, was never tried, and the sweep has not rung for it.

    Raises StoreUnavailable, and whatever a Message raises that cannot be read.
    """
    with database.read() as tx:
        rows = _FIND.run(tx, keys([delivery_id]), channel=channel.value, now=lease.since)
        contents = contents_of(tx, rows)
    return Claimed(claim_of(rows[0], lease), contents[0]) if rows else None


def claim_and_begin(database: Database, begun: Sequence[Beginning], now: int) -> list[bool]:
    """Claim what was found, and mark that it is about to go on the wire; False: others were faster."""
    order = order_of([one.claim for one in begun])
    rows = [{**_row(begun[at].claim), "new_hash": begun[at].text_hash} for at in order]
    return put_back(database.run(_CLAIM_ALONE, {"begin": rows}, at_once=True, now=now)["begin"], order)


def take(database: Database, claim: Claim, now: int, *, again: bool) -> bool:
    """Claim what was found and has not begun, so that something can be recorded; False: others were faster.

    `again`: that was tried before, and the answer was lost. Then it may be claimed already, which its worker
    and the end of its lease tell: no process sends one alone twice at a time.
    """
    row = _row(claim)
    if database.run(_CLAIM_ALONE, {"take": [row]}, at_once=True, now=now)["take"][0]:
        return True
    if not again:
        return False
    with database.read() as tx:
        return bool(_IS_OURS.run(tx, [row]))


def _row(claim: Claim) -> dict[str, Any]:
    return {
        "delivery_id": claim.delivery_id,
        "number": claim.attempt,
        "message_id": claim.message_id,
        "new_lease": claim.lease.until,
        "new_worker": claim.lease.worker,
    }
