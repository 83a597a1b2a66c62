"""What the providers took, and what they did to whom: the ground truth of the audit."""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from enum import StrEnum

from messages.delivery import Channel


class Weather(StrEnum):
    """How a provider misbehaves for a while."""

    DROP_BEFORE = "drops before accepting"
    DROP_AFTER = "drops after accepting"
    LATE = "accepts, answers too late"
    LATER = "accepts when we have given up"
    SLOW = "answers late, in time"
    REFUSES = "refuses for good"
    BUSY = "429 and 421"
    ERROR = "5xx or 451, not accepted"
    ERROR_AFTER = "500 after accepting, or a garbled answer"
    RESET = "resets connections"
    HALF_OPEN = "never answers"
    DOWN = "does not listen"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One acceptance."""

    at: float  #: seconds since the epoch
    token: str  #: which Message it is for: in the text of an SMS, the address of an e-mail
    identity: str  #: SMS: the SID; e-mail: its Message-ID


#: In time-outs of ours: when a provider is too late, and when it is late, and in time.
TOO_LATE, IN_TIME = 1.25, 0.4

#: Called with the port of the peer between an acceptance and its answer.
Ambush = Callable[[int], Awaitable[None]]


@dataclass
class Provider:
    """What an SMTP server and a Twilio look-alike have in common."""

    channel: Channel
    random: random.Random
    time_out: float  #: of our clients, in seconds
    weather: Weather | None = None
    share: float = 1.0  #: of the requests that the weather concerns
    arrivals: dict[str, list[Arrival]] = field(default_factory=lambda: defaultdict(list))
    refused: set[str] = field(default_factory=set)  #: tokens that were refused for good
    misbehaved: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    ambush: Ambush | None = None

    def accept(self, token: str, identity: str) -> Arrival:
        """Take it over: from here on it is sent."""
        arrival = Arrival(time.time(), token, identity)
        self.arrivals[token].append(arrival)
        return arrival

    def later(self, job: Coroutine[None, None, None]) -> None:
        """Do it, whatever becomes of the connection."""
        task = asyncio.create_task(job)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def mood(self) -> Weather | None:
        """How to treat the next request."""
        if self.weather is None or self.random.random() > self.share:
            return None
        self.misbehaved += 1
        return self.weather

    async def lie_in_wait(self, peer: object) -> None:
        """Have the peer attacked, once, if that is ordered."""
        if self.ambush and isinstance(peer, tuple):
            ambush, self.ambush = self.ambush, None
            await ambush(peer[1])
