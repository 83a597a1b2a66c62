"""A statement that got no answer in time: it is not done later, or what is done then does no harm."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from messages.delivery import Beginning, Channel, Lease
from messages.errors import StoreUnavailable
from messages.states import DeliveryState
from messages.store import Result
from tests.servers import wait_until
from tests.stored import shown

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def test_what_is_given_up_is_not_done_later(store, claims, clock, database_url, monkeypatch):
    with (
        too_slow(database_url, monkeypatch) as marked,
        pytest.raises(StoreUnavailable, match="no answer within"),
    ):
        store.begin([Beginning(claims[0])], clock())
    assert marked() == 0
    assert store.begin([Beginning(claims[0])], clock()) == [True]


@pytest.mark.parametrize("way", ["begin", "take"])
def test_what_is_alone_may_be_claimed_later_and_is_known_to_be_ours(
    store, accept, clock, database_url, monkeypatch, way
):
    [(delivery_id, _)] = accept(id="late", externalEmail="dana@customer.example", text="Hello").waiting
    claim = store.find_alone(delivery_id, Channel.EMAIL, Lease(clock(), clock() + 60_000, "w1")).claim
    with (
        too_slow(database_url, monkeypatch) as marked,
        pytest.raises(StoreUnavailable, match="no answer within"),
    ):
        store.claim_and_begin([Beginning(claim)], clock()) if way == "begin" else store.take(claim, clock())
    assert marked() == (way == "begin")
    assert shown(store, "late")["status"] == "sending"
    assert store.take(claim, clock(), again=True)
    again = Result(claim, DeliveryState.QUEUED, "retryable", next_attempt_at=clock())
    assert store.record([again], clock()) == [True]
    assert shown(store, "late")["status"] == "queued"


def test_what_ended_may_be_recorded_later_and_is_recorded_once(
    store, claims, clock, database_url, monkeypatch
):
    result = Result(claims[0], DeliveryState.SENT, "sent")
    with too_slow(database_url, monkeypatch), pytest.raises(StoreUnavailable, match="no answer within"):
        store.record([result], clock())
    assert store.record([result], clock()) == [False]
    assert [event["type"] for event in shown(store, "m-0")["events"]] == ["queued", "sending", "sent"]


@contextmanager
def too_slow(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], int]]:
    """The server, for what wants to change a Delivery. It gives how many began, once all of that is done."""
    watching = (
        "SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle' AND pid <> pg_backend_pid()"
        " AND backend_type = 'client backend'"
    )
    with psycopg.connect(database_url.replace("+psycopg", "")) as other:
        other.execute("SELECT 1 FROM deliveries FOR UPDATE")
        with monkeypatch.context() as hurried:
            hurried.setattr("messages.store.postgresql._ANSWER_SECONDS", 0.3)
            yield lambda: began
        other.rollback()
        other.autocommit = True  # within a transaction it would see the same again and again
        wait_until(lambda: other.execute(watching).fetchone() == (0,))
        [began] = other.execute("SELECT count(begun_at) FROM deliveries").fetchone() or (0,)
