"""Locks on PostgreSQL: who writes many Messages never waits for one while holding another out of order."""

import threading
from collections.abc import Callable

import psycopg
import pytest
from sqlalchemy import create_engine

from messages.delivery import Beginning, Channel, Lease
from messages.errors import StoreUnavailable
from messages.store import Store
from messages.store.database import Database
from tests.conftest import Ticking
from tests.servers import wait_until

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

LOCK = "SELECT id FROM messages WHERE id = %s FOR UPDATE"
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


@on_postgresql
def test_what_is_postponed_is_locked_in_the_order_of_its_messages(store, accept, database_url):
    ids = {}
    for name in ("m-10", "m-50"):
        accepted = accept(id=name, externalEmail="dana@customer.example", text="Hello")
        ids[name] = accepted.waiting[0][0]
    url = database_url.replace("+psycopg", "")
    with psycopg.connect(url) as recorder, psycopg.connect(url, autocommit=True) as watcher:
        recorder.execute(LOCK, ["m-10"])
        postponing = threading.Thread(target=lambda: store.postpone([ids["m-50"], ids["m-10"]], 2**40))
        postponing.start()
        wait_until(lambda: watcher.execute(WAITING).fetchone()[0] == 1)
        recorder.execute(LOCK, ["m-50"])
        recorder.execute("UPDATE deliveries SET error = 'x' WHERE id = %s", [ids["m-50"]])
        recorder.rollback()
        postponing.join(10)
        assert (
            watcher.execute("SELECT count(*) FROM deliveries WHERE next_attempt_at = 2^40").fetchone()[0] == 2
        )


@on_postgresql
def test_a_server_that_is_read_only_for_a_while_is_away(store, clock, database_url):
    read_only = create_engine(database_url, connect_args={"options": "-c default_transaction_read_only=on"})
    database = Database(database_url)
    database.engine = read_only
    with pytest.raises(StoreUnavailable), database.write() as tx:
        tx.exec_driver_sql("UPDATE messages SET status = 'sent'")
    read_only.dispose()
