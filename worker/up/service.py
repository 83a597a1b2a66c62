"""A service: one of the processes that `roundsman up` starts, as data."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

from messages.errors import RoundsmanError


class StartError(RoundsmanError):
    """`roundsman up` cannot start, or could not finish starting. The text is one line, without secrets."""


class Stage(IntEnum):
    """Services stop stage by stage, the lowest first: whoever takes work in goes before whoever does it."""

    DOOR = 0  #: intake and Flower: nothing new comes in
    WORK = 1  #: workers: finish what is on the wire
    PROVIDERS = 2  #: the sandbox, which workers still talk to while they finish
    BROKER = 3  #: last, so that everything above could still write to it


class Watched(Protocol):
    """What a readiness check may ask of a running service."""

    async def printed(self, pattern: str) -> None:
        """Return once a line since the process was started matches the regular expression `pattern`."""

    async def finished(self) -> None:
        """Return once the process has ended."""


#: Returns once the service is ready. It may wait for ever: whoever calls it has the deadline.
ReadyCheck = Callable[[Watched], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Port:
    """A TCP port that a service listens on, and the setting that changes it."""

    setting: str
    host: str
    number: int


@dataclass(frozen=True, slots=True)
class Service:
    """One process: how it is started, when it is ready, what must be ready before, when it is stopped."""

    name: str
    argv: tuple[str, ...]
    ready: ReadyCheck
    stage: Stage
    env: Mapping[str, str] = field(default_factory=dict)  #: on top of our own environment
    after: tuple[str, ...] = ()  #: names of the services that must be ready first
    ports: tuple[Port, ...] = ()
    once: bool = False  #: it runs to its end and is then done; exit code 0 means ready
    warnings: bool = True  #: show its warnings on the terminal, not only its errors
