"""What dead workers held of the queues, whatever it is."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from celery import Celery
from celery.signals import task_rejected
from kombu import Connection

from messages.errors import StoreUnavailable
from messages.queues import DEATHS, INTAKE_BULK_QUEUE, INTAKE_QUEUE, MOST_DEATHS
from worker.entries import TolerantTransport
from worker.held import HELD_KEY, WORKERS_KEY, Held


def envelope(**headers: Any) -> dict[str, Any]:
    info = {"exchange": "", "routing_key": INTAKE_QUEUE, "priority": 0}
    return {"headers": headers, "properties": {"delivery_tag": "t", "delivery_info": info}, "body": ""}


def nested(depth: int) -> list[Any]:
    deep: list[Any] = []
    for _ in range(depth):
        deep = [deep]
    return deep


@pytest.fixture
def buried() -> list[Any]:
    return []


@pytest.fixture
def held(broker_url: str, buried: list[Any]) -> Iterator[Held]:
    """A living worker's, for which whoever shows nothing between two looks is dead."""
    app = Celery(broker=broker_url, set_as_current=False)
    held = Held(app, bury=buried.append, dead_after=0)
    held.begin_anew()
    yield held
    app.close()


def leave(broker: redis.Redis, name: str, *messages: Any, queue: str = INTAKE_QUEUE) -> None:
    """As kombu keeps what a worker took, that has died since."""
    broker.hset(WORKERS_KEY, name, 1)
    for tag, message in enumerate(messages):
        entry = message if isinstance(message, bytes) else json.dumps([message, "", queue])
        broker.hset(HELD_KEY.format(name), str(tag), entry)


def restore(held: Held) -> int:
    assert held.look_after() == 0
    return held.look_after()


def headers_on(broker: redis.Redis, queue: str) -> list[dict[str, Any]]:
    return [json.loads(entry)["headers"] for entry in broker.lrange(queue, 0, -1)]


ODD = [{"odd": float("inf")}, {"odd": "\ud800"}, {"odd": nested(300)}]


@pytest.mark.parametrize("headers", ODD, ids=["infinite", "half a surrogate pair", "deep"])
def test_an_odd_entry_of_a_dead_worker_goes_back_to_its_queue_as_it_was(broker, held, headers):
    leave(broker, "dead", envelope(**headers), queue="email")
    assert restore(held) == 1
    assert headers_on(broker, "email") == [headers]
    assert not broker.exists(HELD_KEY.format("dead"))


@pytest.mark.parametrize("entry", [b"{", b"[1]", b"7", b"\xff", b"[" * 200_000])
def test_what_cannot_be_read_goes_to_the_entrance_which_refuses_it(broker, broker_url, held, entry):
    leave(broker, "dead", entry, envelope())
    leave(broker, "other", envelope(), queue="sms")
    assert restore(held) == 3
    assert [broker.llen(queue) for queue in (INTAKE_QUEUE, "sms")] == [2, 1]
    assert len(refused_of(broker_url, 2)) == 1


def test_what_stands_in_the_way_of_one_dead_worker_stops_no_other(broker, held):
    broker.set(HELD_KEY.format("a"), "no hash")
    for name in "abc":
        broker.hset(WORKERS_KEY, name, 1)
    leave(broker, "c", envelope(), queue="sms")
    assert held.look_after() == 0
    with pytest.raises(Exception, match="ResponseError"):
        held.look_after()
    assert broker.llen("sms") == 1


def test_an_entry_that_outlives_too_many_workers_is_refused(broker, broker_url, held):
    message, refused = envelope(), []
    for death in range(MOST_DEATHS + 1):
        leave(broker, str(death), message)
        assert restore(held) == 1
        message = json.loads(broker.lindex(INTAKE_QUEUE, -1))
        refused.append(refused_of(broker_url, 1))
        broker.delete(INTAKE_QUEUE)
    assert refused[:-1] == [[]] * MOST_DEATHS
    assert "6 workers that had taken it died" in refused[-1][0]


def test_long_lists_at_the_entrance_are_counted_too(broker, held):
    leave(broker, "dead", envelope(), queue=INTAKE_BULK_QUEUE)
    assert restore(held) == 1
    assert headers_on(broker, INTAKE_BULK_QUEUE) == [{DEATHS: 1}]


def test_a_worker_that_takes_leave_is_no_death_and_lists_of_ids_are_not_counted(broker, held):
    held.look_after()
    (name,) = broker.hkeys(WORKERS_KEY)
    leave(broker, name.decode(), envelope())
    held.leave()
    leave(broker, "dead", envelope(), queue="sms")
    assert restore(held) == 1
    assert (headers_on(broker, INTAKE_QUEUE), headers_on(broker, "sms")) == ([{}], [{}])


def test_a_list_of_ids_that_is_given_back_says_so(broker, held):
    leave(broker, "dead", envelope(), queue="sms")
    assert restore(held) == 1
    (entry,) = broker.lrange("sms", 0, -1)
    assert json.loads(entry)["properties"]["delivery_info"]["redelivered"] is True


def test_a_dead_process_is_told_of_and_one_that_only_lost_its_connection_is_not(broker, held, buried):
    for name in ("dead.1", "dead.2", f"{held.process}.before", "other.1"):
        leave(broker, name, envelope())
    held.look_after()
    broker.hset(WORKERS_KEY, "other.2", 1)  # it connected anew
    assert held.look_after() == 4
    assert buried == [{"dead"}]


def test_while_the_store_is_away_what_a_dead_worker_left_waits(broker, broker_url):
    calls: list[object] = []

    def bury(workers: object) -> None:
        calls.append(workers)
        if len(calls) == 1:
            raise StoreUnavailable("away")

    with Celery(broker=broker_url, set_as_current=False) as app:
        held = Held(app, bury, dead_after=0)
        held.begin_anew()
        leave(broker, "dead.1", envelope())
        held.look_after()
        with pytest.raises(StoreUnavailable):
            held.look_after()
        assert held.look_after() == 1
    assert calls == [{"dead"}] * 2


def refused_of(broker_url: str, count: int) -> list[str]:
    """Take so many entries of the entrance; gives the reasons of those that were refused."""
    reasons: list[str] = []
    taken: list[object] = []

    def note(exc: str, **_: object) -> None:
        reasons.append(exc)

    def take(message: Any) -> None:
        taken.append(message)
        message.ack()

    task_rejected.connect(note)
    try:
        with Connection(broker_url, transport=TolerantTransport) as connection:
            queue = connection.SimpleQueue(INTAKE_QUEUE)
            with connection.Consumer(queue.queue, on_message=take):
                while len(taken) + len(reasons) < count:
                    connection.drain_events(timeout=5)
    finally:
        task_rejected.disconnect(note)
    return reasons
