"""A store at which everybody waits long for a turn: what is enqueued late is not taken for lost."""

import pytest
import redis

from intake.ringer import Ringer
from messages.delivery import Lane
from messages.store.database import Database
from tasks.accept import accept
from tasks.sweep import sweep

MESSAGE = {"externalEmail": "dana@example.com", "text": "Hello"}


@pytest.fixture
def slow(monkeypatch, clock):
    """Whoever wants to write waits for nine seconds."""
    begin = Database.write

    def late(self, until=None):
        clock.pass_seconds(9)
        return begin(self, until)

    monkeypatch.setattr(Database, "write", late)


def test_what_waited_for_its_turn_to_be_stored_is_not_enqueued_again(parts, slow, clock):
    accept(parts, [[MESSAGE] * 3], "task")
    assert parts.doorbell.waiting(Lane.EMAIL) == 1
    assert sweep(parts) == 0
    assert parts.doorbell.waiting(Lane.EMAIL) == 1


def test_what_intake_enqueues_late_is_not_enqueued_again(parts, acceptor, clock):
    results = acceptor.accept([acceptor.draft(MESSAGE) for _ in range(3)])
    clock.pass_seconds(60)  # until the ringer gets to it
    ringer = Ringer(parts.doorbell)
    for result in results:
        ringer.ring(result.waiting, result.rung_at)
    ringer.close()
    assert parts.doorbell.waiting(Lane.EMAIL) == 1
    assert sweep(parts) == 0


def test_what_the_sweep_enqueued_late_is_not_enqueued_again(parts, accept, slow, clock, broker_url):
    accept(**MESSAGE)
    clock.pass_seconds(5)
    with redis.Redis.from_url(broker_url) as broker:
        broker.flushall()
    assert [sweep(parts), sweep(parts)] == [1, 0]
