"""Locks on PostgreSQL: whoever writes many Messages or Deliveries takes them in order, never in a ring."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import create_engine

from messages.delivery import Beginning, Channel, Claim, Lease
from messages.errors import StoreUnavailable
from messages.states import DeliveryState
from messages.store import Result, Store
from messages.store.database import Database
from tests.conftest import Ticking
from tests.servers import wait_until

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

LOCK = "SELECT id FROM messages WHERE id = %s FOR UPDATE"
LOCK_DELIVERY = "SELECT id FROM deliveries WHERE id = %s FOR UPDATE"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


@pytest.fixture
def claimed(store: Store, accept: Callable[..., object], clock: Ticking) -> Callable[[str], object]:
    def one(message_id):
        accepted = accept(id=message_id, externalEmail="dana@customer.example", text="Hello")
        ids = [delivery_id for delivery_id, _ in accepted.waiting]
        return store.claim(ids, Channel.EMAIL, Lease(clock(), clock() + 1000))[0].claim

    return one


@on_postgresql
def test_a_sweep_holds_no_message_while_it_waits_for_an_earlier_one(store, claimed, clock, database_url):
    store.begin([Beginning(claimed("m-10"))], clock())
    claimed("m-50")
    clock.pass_seconds(2)
    url = database_url.replace("+psycopg", "")
    with psycopg.connect(url) as recorder, psycopg.connect(url, autocommit=True) as watcher:
        recorder.execute(LOCK, ["m-10"])
        sweep = threading.Thread(target=lambda: store.sweep(clock(), {}, 0))
        sweep.start()
        wait_until(lambda: watcher.execute(WAITING).fetchone()[0] == 1)
        recorder.execute(LOCK, ["m-50"])  # would be a deadlock, if the sweep held it
        recorder.rollback()
        sweep.join(10)
    assert store.waiting_by_state()["queued"] == 2


#: What writes to Deliveries, given in the wrong order: those that wait, and those that are claimed.
ON_WAITING = {
    "cancel": lambda store, ids, now: store.cancel(["m-0", "m-1"], "ada", now),
    "postpone": lambda store, ids, now: store.postpone(ids, now + 1000),
    "claim": lambda store, ids, now: store.claim(ids, Channel.EMAIL, Lease(now, now + 60_000)),
}
ON_CLAIMED = {
    "begin": lambda store, claims, now: store.begin([Beginning(claim) for claim in claims], now),
    "claim and begin": lambda store, claims, now: store.claim_and_begin(
        [Beginning(claim) for claim in claims], now
    ),
    "record": lambda store, claims, now: store.record(
        [Result(claim, DeliveryState.SENT, "sent") for claim in claims], now
    ),
}


def _claims(store: Store, ids: list[str], now: int, *, alone: bool) -> list[Claim]:
    lease = Lease(now, now + 60_000, "w1")
    if alone:
        found = [store.find_alone(delivery_id, Channel.EMAIL, lease) for delivery_id in ids]
    else:
        found = store.claim(ids, Channel.EMAIL, lease)
    return [one.claim for one in found]


@on_postgresql
@pytest.mark.parametrize("name", [*ON_WAITING, *ON_CLAIMED])
def test_whoever_waits_for_a_delivery_holds_none_that_comes_later(store, accept, clock, database_url, name):
    ids = [accept(id=f"m-{n}", externalEmail="d@customer.example", text="Hi").waiting[0][0] for n in range(2)]
    first, last = sorted(ids)
    if name in ON_WAITING:
        write, given = ON_WAITING[name], [last, first]
    else:
        claims = _claims(store, ids, clock(), alone=name == "claim and begin")
        write, given = ON_CLAIMED[name], sorted(claims, key=lambda claim: claim.delivery_id, reverse=True)
    url = database_url.replace("+psycopg", "")
    with (
        ThreadPoolExecutor() as threads,
        psycopg.connect(url) as other,
        psycopg.connect(url, autocommit=True) as watcher,
    ):
        other.execute(LOCK_DELIVERY, [first])
        writing = threads.submit(write, store, given, clock())
        wait_until(lambda: watcher.execute(WAITING).fetchone()[0] == 1)
        [(waits_in,)] = watcher.execute(WAITING.replace("count(*)", "query")).fetchall()
        other.execute(LOCK_DELIVERY, [last])  # would be a deadlock, if that was held
        other.rollback()
        writing.result(10)
    if name in ("cancel", "postpone"):  # what it does next may be in another order
        assert "FROM deliveries" in waits_in
        assert "FOR NO KEY UPDATE" in waits_in


@on_postgresql
def test_those_who_claim_the_same_in_another_order_do_not_stand_in_each_others_way(store, accept, clock):
    ids = [accept(externalEmail="dana@customer.example", text="Hello").waiting[0][0] for _ in range(200)]
    taken: list[str] = []

    def take(order: list[str]) -> None:
        claimed = store.claim(order, Channel.EMAIL, Lease(clock(), clock() + 60_000))
        taken.extend(one.claim.delivery_id for one in claimed)

    orders = [ids, ids[::-1], ids[20:] + ids[:20], ids[1::2] + ids[::2]]
    with ThreadPoolExecutor(len(orders)) as threads:
        for claiming in [threads.submit(take, order) for order in orders]:
            claiming.result(20)
    assert sorted(taken) == sorted(ids)


@on_postgresql
def test_a_server_that_is_read_only_for_a_while_is_away(store, clock, database_url):
    read_only = create_engine(database_url, connect_args={"options": "-c default_transaction_read_only=on"})
    database = Database(database_url)
    database.engine = read_only
    with pytest.raises(StoreUnavailable), database.write() as tx:
        tx.exec_driver_sql("UPDATE messages SET status = 'sent'")
    read_only.dispose()
