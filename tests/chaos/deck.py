"""All kinds of faults as a deck of cards: shuffled by the seed, dealt to the end, shuffled again."""

import random
import signal
from collections.abc import Iterable, Iterator

from tests.chaos import faults
from tests.chaos.arrivals import Weather
from tests.chaos.faults import Kind, ambushed, at_point, at_random, bad_weather, connections_dropped
from tests.chaos.points import Action, Point, Role

_WORKER_POINTS = (
    Point.AFTER_POP, Point.AFTER_FIND, Point.AFTER_CLAIM, Point.BEFORE_WIRE, Point.ACCEPTED,
    Point.BEFORE_RECORD, Point.BETWEEN_RECORDS, Point.SWEPT, Point.ASKED,
)  # fmt: skip
_STOPPED_AT = (
    Point.AFTER_FIND, Point.AFTER_CLAIM, Point.BEFORE_WIRE, Point.ACCEPTED, Point.BEFORE_RECORD, Point.ASKED,
)  # fmt: skip
_INTAKE_POINTS = Point.BEFORE_COMMIT, Point.AFTER_COMMIT, Point.BETWEEN_RINGS

KILLED, STOPPED, RANDOM = "kill -9 at a named point", "stopped past its lease", "kill -9 at a random time"
RESTARTED, BROKER, STORE = "worker asked to stop", "broker", "store"
PROVIDER, CLOCK = "provider", "clock jump"


def kinds(store_breakings: Iterable[str], *, one_writer: bool) -> list[Kind]:
    """All of them, for a store that can be broken in these ways.

    `one_writer`: a process that is stopped in the middle of a transaction holds up all others.
    """
    return [
        *_at_points(one_writer),
        Kind("worker killed", RANDOM, at_random("worker", signal.SIGKILL), 3),
        Kind("intake killed", RANDOM, at_random("intake", signal.SIGKILL), 2),
        Kind("worker stopped", STOPPED, at_random("worker", signal.SIGSTOP), blocks=one_writer),
        Kind("intake stopped", STOPPED, at_random("intake", signal.SIGSTOP), blocks=one_writer),
        Kind("worker asked to stop", RESTARTED, faults.asked_to_stop, 2),
        Kind("worker's clock jumps", CLOCK, faults.clock_jumps, 2),
        Kind("broker killed", BROKER, faults.broker_killed, 2, blocks=True),
        Kind("broker killed, its data lost", BROKER, faults.broker_lost, 2, blocks=True),
        Kind("broker frozen", BROKER, faults.broker_frozen, 2, blocks=True),
        Kind("FLUSHALL", BROKER, faults.broker_told("FLUSHALL"), 3),
        Kind("broker's connections ended", BROKER, faults.broker_told("CLIENT", "KILL", "TYPE", "normal")),
        *(Kind(name, STORE, faults.store_broken(name), 2, blocks=True) for name in store_breakings),
        *_of_providers(),
    ]


def _at_points(one_writer: bool) -> Iterator[Kind]:
    for point in _WORKER_POINTS:
        yield Kind(f"worker killed {point}", KILLED, at_point(Role.WORKER, point, Action.KILL))
    for point in (Point.AFTER_COMMIT, Point.BETWEEN_RINGS):
        yield Kind(f"entrance killed {point}", KILLED, at_point(Role.WORKER, point, Action.KILL))
    for point in _INTAKE_POINTS:
        yield Kind(f"intake killed {point}", KILLED, at_point(Role.INTAKE, point, Action.KILL))
    for point in _STOPPED_AT:
        yield Kind(
            f"worker stopped {point}", STOPPED, at_point(Role.WORKER, point, Action.STOP), blocks=one_writer
        )
    for name, sms in (("Twilio", True), ("SMTP", False)):
        yield Kind(f"worker killed before {name}'s answer", KILLED, ambushed(sms, Action.KILL), 2)
        yield Kind(
            f"worker stopped before {name}'s answer", STOPPED, ambushed(sms, Action.STOP), blocks=one_writer
        )


def _of_providers() -> Iterator[Kind]:
    for name, sms, channel in (("Twilio", True, "sms"), ("SMTP", False, "email")):
        for weather in Weather:
            yield Kind(f"{name} {weather}", PROVIDER, bad_weather(sms, weather), blocks=True, channel=channel)
        yield Kind(f"connections to {name} lost", PROVIDER, connections_dropped(sms), channel=channel)


def deal(every: list[Kind], chance: random.Random) -> Iterator[Kind]:
    """Kinds without end."""
    deck = [kind for kind in every for _ in range(kind.weight)]
    while True:
        chance.shuffle(deck)
        yield from deck
