"""The sweep, a lost queue entry and a backlog of 100,000: it tells them apart."""

from collections.abc import Callable

import pytest
import redis
from sqlalchemy import text

from messages.delivery import Lane
from messages.queues import IDS_PER_TASK
from messages.store.database import Database
from tasks.parts import Parts
from tasks.sweep import sweep
from tests.conftest import Ticking

CHUNKS, CHUNK = 10, 10_000

_MESSAGE = """INSERT INTO messages (id, fingerprint, template, fields, status, created_at)
VALUES ('msg', '', 'plain/default', '{}', 'queued', 0)"""

_DELIVERIES = """WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :count)
INSERT INTO deliveries (id, message_id, channel, lane, recipient, state, attempt, rung_at, created_at)
SELECT :chunk || '-' || i, 'msg', 'email', 'email', 'dana@example.com', 'queued', 0, :now, :now FROM n"""

_SENT = "UPDATE deliveries SET state = 'sent' WHERE state = 'queued' AND rung_at < :before AND id <> :lost"


@pytest.fixture
def execute(database_url: str) -> Callable[..., None]:
    def run(statement: str, **values: object) -> None:
        database = Database(database_url)
        with database.write() as tx:
            tx.execute(text(statement), values)
        database.close()

    return run


@pytest.fixture
def backlog(parts: Parts, clock: Ticking, execute: Callable[..., None]) -> list[int]:
    """As accepted and enqueued in ten groups, a minute apart; when that was."""
    execute(_MESSAGE)
    times = []
    for chunk in range(CHUNKS):
        execute(_DELIVERIES, count=CHUNK, chunk=str(chunk), now=clock())
        assert parts.doorbell.ring([(f"{chunk}-{i}", Lane.EMAIL) for i in range(CHUNK)])
        times.append(clock())
        clock.pass_seconds(60)
    return times


def test_of_a_backlog_only_what_was_lost_is_enqueued_again_and_all_of_it_if_all_was(
    parts, clock, backlog, execute, broker_url
):
    entries = CHUNK // IDS_PER_TASK
    with redis.Redis.from_url(broker_url) as broker:
        clock.pass_seconds(3600)
        assert sweep(parts) == 0
        # One task is lost; that cannot be seen before those behind it are given out.
        assert broker.lrem("email", -1, broker.lindex("email", -1)) == 1
        assert sweep(parts) == 0
        # The workers take seven groups, and send them; of the eighth they have taken some.
        assert broker.ltrim("email", 0, -7 * entries - 5)
        execute(_SENT, before=backlog[7], lost="0-0")
        assert parts.doorbell.waiting(Lane.EMAIL) == 3 * entries - 5
        assert [sweep(parts), sweep(parts)] == [1, 0]
        # The broker loses everything: each is enqueued again, once, within two rounds.
        broker.flushall()
        clock.pass_seconds(6)
        assert [sweep(parts), sweep(parts), sweep(parts)] == [20_000, 10_001, 0]


@pytest.mark.parametrize("rung_at", ["4102444800000", "1e300", '"x"', "null", "-5", "true"])
def test_what_a_stranger_says_of_the_time_makes_nothing_seem_lost(parts, accept, clock, broker_url, rung_at):
    accept(externalEmail="dana@example.com", text="Hello")
    clock.pass_seconds(60)
    with redis.Redis.from_url(broker_url) as broker:
        broker.rpush("email", f'{{"headers": {{"rungAt": {rung_at}}}}}')
    assert sweep(parts) == 0
