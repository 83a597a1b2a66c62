"""What a worker takes of a queue, and what the broker knows of that: on a real Valkey."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import Mock

import pytest
import redis
from celery import Celery
from kombu import Connection, Exchange, Message, Queue
from kombu.asynchronous import Hub, get_event_loop, set_event_loop

from messages.delivery import Lane
from messages.doorbell import Doorbell
from messages.queues import INTAKE_QUEUE
from worker.entries import TolerantTransport
from worker.quiet import FEW, FEW_ALONE
from worker.taking import NOTED_AFTER


@pytest.fixture
def hub() -> Iterator[Hub]:
    """The loop of a worker."""
    before = get_event_loop()
    hub = Hub()
    set_event_loop(hub)
    yield hub
    set_event_loop(before)
    hub.close()


@pytest.fixture
def connection(broker_url: str, hub: Hub) -> Iterator[Connection]:
    with Connection(broker_url, transport=TolerantTransport) as connection:
        yield connection


@pytest.fixture
def ring(broker_url: str) -> Iterator[Callable[[], bool]]:
    with Celery(broker=broker_url, set_as_current=False) as app:
        yield lambda: Doorbell(app).ring([("dlv_1", Lane.EMAIL)])


@pytest.fixture
def take(ring: Callable[[], bool], broker: redis.Redis, connection: Connection) -> Callable[..., Message]:
    """Rings, and takes what then is on a queue."""

    def take(name: str = Lane.EMAIL) -> Message:
        assert ring()
        if name != Lane.EMAIL:
            broker.rename(Lane.EMAIL, name)
        with consumer(connection, name) as taken:
            connection.drain_events(timeout=5)
        [message] = taken
        return message

    return take


@contextmanager
def consumer(connection: Connection, name: str) -> Iterator[list[Message]]:
    """What comes of a queue."""
    taken: list[Message] = []
    queue = Queue(name, Exchange(name), routing_key=name)
    with connection.Consumer(queue, on_message=taken.append, prefetch_count=10):
        yield taken


def noted(broker: redis.Redis) -> int:
    assert broker.hlen("unacked") == broker.zcard("unacked_index")
    return broker.hlen("unacked")


def a_moment_later(hub: Hub) -> None:
    time.sleep(2 * NOTED_AFTER)
    hub.fire_timers()


def one_turn(hub: Hub) -> None:
    for callback in hub.on_tick.copy():
        callback()


def test_a_list_of_ids_that_is_let_go_at_once_is_never_noted(hub, broker, take, monkeypatch):
    message = take()
    message.ack()
    with monkeypatch.context() as patch:
        patch.setattr(redis.client.Pipeline, "execute", lambda *_: pytest.fail("something is noted"))
        one_turn(hub)
        a_moment_later(hub)
    assert noted(broker) == 0


def test_a_list_of_ids_that_is_held_is_noted_after_a_moment_until_it_is_let_go(hub, broker, take):
    messages = [take(), take()]
    assert noted(broker) == 0
    a_moment_later(hub)
    assert noted(broker) == 2
    messages[0].ack()
    one_turn(hub)
    assert noted(broker) == 1
    take()
    a_moment_later(hub)
    assert noted(broker) == 2


def test_what_only_the_queue_has_is_noted_as_it_is_taken(hub, broker, take):
    take(INTAKE_QUEUE)
    assert noted(broker) == 1


def test_what_is_given_back_before_it_is_noted_is_on_its_queue_again(hub, broker, take):
    take().requeue()
    assert (broker.llen(Lane.EMAIL), noted(broker)) == (1, 0)


def test_what_is_held_when_a_channel_is_closed_is_on_its_queue_again(hub, broker, take):
    take().channel.close()
    assert (broker.llen(Lane.EMAIL), noted(broker)) == (1, 0)


def test_what_could_not_be_noted_is_noted_once_the_broker_is_back(hub, broker, take, monkeypatch, caplog):
    monkeypatch.setattr("worker.taking.NOTED_AGAIN_AFTER", NOTED_AFTER)
    message = take()
    with monkeypatch.context() as patch:
        patch.setattr(redis.client.Pipeline, "execute", Mock(side_effect=redis.ConnectionError))
        a_moment_later(hub)
    assert noted(broker) == 0
    assert not caplog.records  # the hub tells of whatever it meets
    a_moment_later(hub)
    assert noted(broker) == 1
    message.ack()
    one_turn(hub)
    assert noted(broker) == 0


def test_what_is_let_go_while_it_is_noted_is_noted_no_more(hub, broker, take, monkeypatch):
    message, execute = take(), redis.client.Pipeline.execute

    def and_let_go(pipe: redis.client.Pipeline) -> object:
        monkeypatch.undo()
        done = execute(pipe)
        message.ack()
        return done

    monkeypatch.setattr(redis.client.Pipeline, "execute", and_let_go)
    a_moment_later(hub)
    assert noted(broker) == 0


@pytest.mark.parametrize("lacks", ["delivery_info", "delivery_tag"])
@pytest.mark.parametrize("odd", [None, 5, "x", ["x"], {"exchange": [], "routing_key": "elsewhere"}])
def test_entry_without_a_usable_tag_or_delivery_info_is_taken_and_given_back_to_its_queue(
    broker, take, connection, ring, lacks, odd
):
    assert ring()
    entry = json.loads(broker.rpop(Lane.EMAIL))
    entry["properties"][lacks] = odd
    broker.lpush(Lane.EMAIL, json.dumps(entry))
    with consumer(connection, Lane.EMAIL) as taken:
        connection.drain_events(timeout=5)
    taken[0].requeue()
    assert (broker.llen(Lane.EMAIL), noted(broker)) == (1, 0)


def test_entries_that_share_a_delivery_tag_are_noted_each_by_itself(broker, connection, ring):
    assert ring()
    entry = broker.rpop(Lane.EMAIL)
    broker.lpush(INTAKE_QUEUE, entry, entry)
    with consumer(connection, INTAKE_QUEUE) as taken:
        connection.drain_events(timeout=5)
        connection.drain_events(timeout=5)
    assert (len(taken), noted(broker)) == (2, 2)
    for message in taken:
        message.requeue()
    assert (broker.llen(INTAKE_QUEUE), noted(broker)) == (2, 0)


def test_a_bulk_is_noted_as_it_is_taken(hub, broker, take):
    take(Lane.EMAIL_BULK)
    assert noted(broker) == 1


@pytest.mark.parametrize(
    ("name", "under_way", "taken_then"),
    [
        (Lane.EMAIL, FEW_ALONE, 2),
        (Lane.EMAIL, FEW_ALONE + 1, 4),
        (INTAKE_QUEUE, FEW, 2),
        (INTAKE_QUEUE, FEW + 1, 4),
    ],
)
def test_where_there_is_much_to_do_what_is_behind_is_taken_too_and_noted(
    broker, connection, ring, monkeypatch, name, under_way, taken_then
):
    with consumer(connection, name) as taken:
        assert all(ring() for _ in range(4))
        if name != Lane.EMAIL:
            broker.rename(Lane.EMAIL, name)
        connection.drain_events(timeout=5)
        assert len(taken) == 1
        before = noted(broker)
        monkeypatch.setattr("worker.quiet.state.reserved_requests", set(range(under_way)))
        connection.drain_events(timeout=5)
        assert len(taken) == taken_then
        is_noted = name == INTAKE_QUEUE or taken_then > 2  # what is stored and comes alone is not, at once
        assert noted(broker) == before + (taken_then - 1 if is_noted else 0)
