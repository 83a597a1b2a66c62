"""The doorbell of whoever is in haste, on a real Valkey."""

from collections.abc import Iterator

import pytest
from celery import Celery

from messages.delivery import Lane
from messages.doorbell import Doorbell
from messages.queues import PUBLISHER_CONFIG

WAITING = [("dlv_1", Lane.EMAIL)]


@pytest.fixture
def app(broker_url: str) -> Iterator[Celery]:
    with Celery(broker=broker_url, set_as_current=False) as app:
        app.conf.update(PUBLISHER_CONFIG)
        yield app


@pytest.fixture
def doorbell(app: Celery) -> Iterator[Doorbell]:
    doorbell = Doorbell(app, in_haste=True)
    yield doorbell
    doorbell.close()


def test_it_rings_by_one_connection_also_after_the_broker_closed_that(doorbell, broker):
    before = broker.info("stats")["total_connections_received"]
    assert all(doorbell.ring(WAITING) for _ in range(5))
    opened = broker.info("stats")["total_connections_received"] - before
    broker.client_kill_filter(_type="normal", skipme=True)
    assert doorbell.ring(WAITING)
    assert broker.llen(Lane.EMAIL) == 6
    assert opened <= 2  # kombu's, and its own


def test_it_rings_after_it_was_closed_too_for_somebody_may_be_late(doorbell, broker):
    assert doorbell.ring(WAITING)
    doorbell.close()
    assert doorbell.ring(WAITING)
    assert broker.llen(Lane.EMAIL) == 2
