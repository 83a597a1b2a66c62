"""A worker's connection to its broker, when that goes away."""

import socket
import time
from itertools import pairwise

import kombu.exceptions
import pytest
from celery import Celery
from kombu import Connection

from worker.entries import TolerantTransport
from worker.held import BrokerAwayError, Held
from worker.reconnecting import RECONNECT_SECONDS, ReconnectingConnection


def test_a_channel_whose_connection_was_let_go_with_entries_unacknowledged_closes(broker_url: str) -> None:
    connection = Connection(broker_url, transport=TolerantTransport)
    channel = connection.default_channel
    taken = []
    queue = connection.SimpleQueue("email")
    queue.put({"id": 1})
    consumer = connection.Consumer(queue.queue, callbacks=[lambda body, message: taken.append(message)])
    consumer.consume()
    connection.drain_events(timeout=5)
    held = consumer.channel
    assert taken
    connection.transport.client = None  # as `Connection.collect` leaves it

    held.close()
    channel.close()

    assert held.closed


def test_what_ends_after_its_connection_was_let_go_is_acknowledged_to_nobody(broker_url: str) -> None:
    connection = Connection(broker_url, transport=TolerantTransport)
    taken = []
    queue = connection.SimpleQueue("email")
    for number in range(3):
        queue.put({"id": number})
    connection.Consumer(queue.queue, callbacks=[lambda _, message: taken.append(message)]).consume()
    while len(taken) < 3:
        connection.drain_events(timeout=5)
    taken[0].channel.close()
    taken[0].channel._disconnect_pools()  # closing made one once more, as the broker was there

    taken[0].ack()
    taken[1].reject()
    taken[2].reject(requeue=True)

    assert all(message.acknowledged for message in taken)


def test_the_broker_is_looked_for_at_an_even_pace() -> None:
    app = Celery(amqp="worker.reconnecting:ReconnectingAMQP")
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    connection = app.connection_for_read(f"redis://127.0.0.1:{port}/0")
    pauses: list[float] = []
    began = time.monotonic()

    with pytest.raises(kombu.exceptions.OperationalError):
        connection.ensure_connection(lambda _, pause: pauses.append(pause), 3)

    assert isinstance(connection, ReconnectingConnection)
    assert len(pauses) == 3
    assert set(pauses) <= {0, RECONNECT_SECONDS}
    assert all(earlier <= later for earlier, later in pairwise(pauses))
    assert time.monotonic() - began < 3 * RECONNECT_SECONDS + 1


def test_a_broker_that_is_away_is_no_bug() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    app = Celery(broker=f"redis://127.0.0.1:{port}/0", set_as_current=False)
    app.conf.broker_transport_options = {"max_retries": 0}

    with pytest.raises(BrokerAwayError, match="the broker does not answer"):
        Held(app).look_after()
