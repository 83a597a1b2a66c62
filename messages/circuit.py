"""A circuit breaker, per provider and per host of attachments: what keeps failing is left alone. No I/O.

closed ──(several troubles in a row)──▶ open ──(the pause is over)──▶ half-open
  ▲                                       ▲                              │
  └───────────── an attempt works ────────┼──────────────────────────────┤
                                          └── trouble: twice the pause ──┘
"""

import threading
from dataclasses import dataclass

from messages.outcomes import Failed, Outcome

#: How many troubles in a row open it.
THRESHOLD = 5

#: The first pause and the longest, in ms.
PAUSE_MS = 5_000
LONGEST_PAUSE_MS = 60_000


@dataclass(frozen=True, slots=True)
class CircuitChange:
    """The circuit opened or closed: for people, and for other processes to see."""

    open_until: int | None  #: ms since the epoch; None: closed
    reason: str | None  #: what the provider did


class Circuit:
    """One provider's circuit, as one process sees it. Safe to share between threads.

    `longest_pause_ms`: the pause doubles with each trouble up to this.
    """

    def __init__(self, longest_pause_ms: int = LONGEST_PAUSE_MS) -> None:
        self._lock = threading.Lock()
        self._troubles = 0
        self._pause, self._longest_pause = PAUSE_MS, longest_pause_ms
        self._open_until: int | None = None

    def open_until(self, now: int) -> int | None:
        """Until when nothing is to be sent; None when it may be tried."""
        until = self._open_until
        return until if until is not None and now < until else None

    @property
    def is_half_open(self) -> bool:
        """Whether it opened and nothing has worked since; once the pause is over, one attempt is a probe."""
        return self._open_until is not None

    def report(self, outcome: Outcome, now: int) -> CircuitChange | None:
        """Take note of an attempt that reached the provider, or tried to; returns what that changed."""
        if isinstance(outcome, Failed) and outcome.provider_trouble:
            return self.add_trouble(outcome.reason, now)
        return self.close()

    def add_trouble(self, reason: str, now: int) -> CircuitChange | None:
        """Count a failure of the provider itself; open the circuit after enough of them in a row."""
        with self._lock:
            self._troubles += 1
            if self._troubles < THRESHOLD or self.open_until(now):
                return None
            self._open_until, self._pause = now + self._pause, min(self._pause * 2, self._longest_pause)
            return CircuitChange(self._open_until, reason)

    def close(self) -> CircuitChange | None:
        """Close the circuit after a success, and forget the failures before it."""
        with self._lock:
            was_open = self._open_until is not None
            self._troubles, self._pause, self._open_until = 0, PAUSE_MS, None
            return CircuitChange(None, None) if was_open else None
