"""The pace of all worker processes together: each sender's line is kept in Redis, by Redis' clock.

Redis away ──▶ each process keeps to its share: the rate divided by the number of workers last seen
Redis back, or its data lost ──▶ what this process has let through itself still counts

So no process exceeds a rate by itself, whatever becomes of Redis.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace

from messages.errors import StoreUnavailable
from messages.group import Group
from messages.outgoing import OutgoingEmail, OutgoingSms
from messages.pace import PATIENCE, SECOND, Answer, Demand, Line, ask
from messages.segments import segments_of
from messages.sms_rates import SmsRates
from worker.shared_lines import Question, SharedLines

log = logging.getLogger(__name__)

#: By how much two clocks' readings of one wait may differ, in µs.
_SLACK = 50_000

#: How many lines a process remembers before it forgets those that are over.
_MANY = 1000

#: Between two lines in the log about what waits, in seconds.
_TELL_EVERY = 10


class SharedPace:
    """Use it on one event loop. `default_sender`: of an SMS that names none.

    `email_rate`: messages a second, None for unlimited. `processes`: how many workers there are, as long
    as none was seen. `clock`: µs, of any beginning.
    """

    def __init__(
        self,
        lines: SharedLines,
        sms_rates: SmsRates,
        email_rate: float | None,
        *,
        default_sender: str | None,
        processes: int,
        clock: Callable[[], int] = lambda: time.monotonic_ns() // 1000,
    ) -> None:
        self._lines, self._sms_rates, self._email_rate = lines, sms_rates, email_rate
        self._default_sender, self._processes, self._clock = default_sender, processes, clock
        self._group = Group[Question, Answer | None](lines.ask)
        self._own: dict[str, Line] = {}  # what this process let through, and its share while Redis is away
        self._waiting, self._told_at = 0, float("-inf")

    def demand(self, prepared: OutgoingSms | OutgoingEmail) -> Demand | None:
        """What its hand-over takes; None, at no cost, where there is no limit."""
        if isinstance(prepared, OutgoingEmail):
            return Demand("email", self._email_rate, 1) if self._email_rate else None
        sender = prepared.sender or self._default_sender
        rate = self._sms_rates.of(sender) if sender else None
        if sender is None or rate is None:
            return None
        # An MMS is one message, however long its text is.
        return Demand(sender, rate, 1 if prepared.media_urls else segments_of(prepared.body).count)

    async def ask(self, demand: Demand, *, placed: bool, patience: int = PATIENCE) -> Answer:
        """See `messages.pace.ask`."""
        try:
            shared = await self._group.submit(Question(demand, placed, patience))
        except StoreUnavailable:  # too many ask
            shared = None
        line, now = self._own.get(demand.sender, Line()), self._clock()
        if shared is None:
            share = demand.cost * (self._lines.workers or self._processes)
            line, answer = ask(line, share, now, placed=placed, patience=patience)
        else:
            line, answer = _checked(line, demand.cost, shared, now, patience)
        self._remember(demand.sender, line, now)
        if not answer.go and not placed:
            self._tell(answer.wait)
        return answer

    async def close(self) -> None:
        """Close the connection."""
        await self._group.close()
        await asyncio.to_thread(self._lines.close)

    def _remember(self, sender: str, line: Line, now: int) -> None:
        self._own[sender] = line
        if len(self._own) > _MANY:
            self._own = {key: kept for key, kept in self._own.items() if kept.end > now}

    def _tell(self, wait: int) -> None:
        self._waiting += 1
        if time.monotonic() - self._told_at > _TELL_EVERY:
            log.info("%d wait for their sender's rate, the last %d s.", self._waiting, wait // SECOND)
            self._waiting, self._told_at = 0, time.monotonic()


def _checked(line: Line, cost: int, shared: Answer, now: int, patience: int) -> tuple[Line, Answer]:
    """Redis' answer, unless this process has let through too much: Redis may have lost its data."""
    if not shared.go:
        return line, shared
    wait = max(shared.wait, line.gate - now)
    if wait > patience + _SLACK:
        return line, Answer(False, wait)
    return replace(line, gate=now + wait + cost), Answer(True, wait)
