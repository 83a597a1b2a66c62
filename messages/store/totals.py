"""How many Messages there are. To count a million takes PostgreSQL 30 ms, and each list says how many.

None is ever deleted, and none is added to those that are a minute old. So these are counted once, and
only what came since is counted each time.
"""

import time

from sqlalchemy import ColumnElement, Connection, and_, func, select

from messages.store.schema import messages

#: To Messages of this age, in ms, none is added any more: a commit takes seconds, and the clocks of all
#: intakes should be closer.
SETTLED_MS = 60_000

#: So many ms are let gather before they are counted among those.
_STEP_MS = 10_000

#: Seconds after which all are counted again, in case of a clock that was not that close.
_FOR_SECONDS = 3600


class Totals:
    """Known to one process; threads may share it."""

    def __init__(self) -> None:
        self._settled = (0, 0)  # how many are older than that: (number, ms since the epoch)
        self._again_at = 0.0

    def messages(self, tx: Connection) -> int:
        """How many there are."""
        newest = tx.execute(select(func.max(messages.c.created_at))).scalar()
        if newest is None:
            return 0
        number, until = self._settled_by(tx, min(newest, time.time_ns() // 1_000_000) - SETTLED_MS)
        return number + _count(tx, messages.c.created_at >= until)

    def _settled_by(self, tx: Connection, now: int) -> tuple[int, int]:
        """How many are older than what is returned with it."""
        number, until = self._settled
        if time.monotonic() > self._again_at:
            number, until = 0, 0
        if now - until > _STEP_MS:
            number += _count(tx, and_(messages.c.created_at >= until, messages.c.created_at < now))
            if not until:
                self._again_at = time.monotonic() + _FOR_SECONDS
            until = now
            self._settled = number, until
        return number, until


def _count(tx: Connection, which: ColumnElement[bool]) -> int:
    return tx.execute(select(func.count()).select_from(messages).where(which)).scalar_one()
