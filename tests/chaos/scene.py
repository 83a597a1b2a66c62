"""Everything a fault can lay hands on."""

import asyncio
import random
import time
from dataclasses import dataclass, field

import psutil

from tests.chaos.arrivals import Provider
from tests.chaos.broker import Broker
from tests.chaos.points import Orders
from tests.chaos.processes import Processes
from tests.chaos.smtp import SmtpServer
from tests.chaos.stores import Postgresql, Sqlite
from tests.chaos.twilio import TwilioServer


@dataclass
class Fault:
    """One fault that was injected. Times are seconds since the epoch."""

    number: int
    kind: str
    group: str
    blocks: bool  #: nothing can move while it lasts: recovery is counted from its end
    channel: str | None = None  #: whose provider it concerns
    began: float | None = None
    ended: float | None = None
    detail: str = ""

    def fire(self, detail: str = "") -> None:
        """It takes effect now."""
        self.began, self.detail = time.time(), detail


@dataclass
class Scene:
    """The running system, and the locks by which two faults do not break the same part at once."""

    processes: Processes
    broker: Broker
    store: Sqlite | Postgresql
    orders: Orders
    smtp: SmtpServer
    twilio: TwilioServer
    lease: float  #: seconds
    jump: float  #: the most seconds that a clock is ahead or behind
    stops: asyncio.Semaphore  #: one worker at least goes on
    locks: dict[str, asyncio.Lock] = field(default_factory=dict)

    def lock(self, part: str) -> asyncio.Lock:
        """The lock of one part."""
        return self.locks.setdefault(part, asyncio.Lock())

    @property
    def servers(self) -> tuple[SmtpServer, TwilioServer]:
        """Both providers."""
        return self.smtp, self.twilio

    def some(self, kind: str, chance: random.Random, age: float = 0) -> int | None:
        """The pid of one of the workers or intakes that run, for at least `age` seconds."""
        pids = sorted(self.processes.pids(kind, age))
        return chance.choice(pids) if pids else None

    def worker_at(self, port: int) -> int | None:
        """The pid of the worker whose connection has this port."""
        for pid in self.processes.pids("worker"):
            try:
                connections = psutil.Process(pid).net_connections("tcp")
            except psutil.Error:
                continue
            if any(c.laddr and c.laddr.port == port for c in connections):
                return pid
        return None

    def calm(self) -> None:
        """Undo whatever lasts."""
        for server in self.servers:
            provider: Provider = server.provider
            provider.weather = provider.ambush = None
        self.processes.wake_all()
