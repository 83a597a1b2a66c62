"""What goes to the database in one call: all of it or nothing, for those that are held, in their order."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from messages.delivery import Beginning, Channel, Claim, Lease
from messages.errors import StoreUnavailable
from messages.states import DeliveryState
from messages.store import Result, Store
from messages.store.procedure import Procedure
from messages.store.schema import deliveries
from messages.store.turn import Turn
from tests.stored import shown

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def _lost(claim: Claim) -> Claim:
    return replace(claim, attempt=claim.attempt + 1)


def test_each_is_told_whether_it_was_held_and_only_those_are_written(store, claims, clock):
    first, second, third, fourth = claims
    sent = [Result(one, DeliveryState.SENT, "sent") for one in (_lost(first), second, _lost(third))]
    begun, recorded = store.write_progress([Beginning(_lost(fourth)), Beginning(fourth)], sent, clock())
    assert (begun, recorded) == ([False, True], [False, True, False])
    assert [shown(store, f"m-{n}")["status"] for n in range(4)] == ["sending", "sent", "sending", "sending"]
    assert [len(shown(store, f"m-{n}")["events"]) for n in range(4)] == [2, 3, 2, 2]


def test_what_is_recorded_twice_is_written_once(store, claims, clock):
    result = Result(claims[0], DeliveryState.SENT, "sent")
    assert store.record([result], clock()) == [True]
    assert store.record([result], clock()) == [False]
    assert [event["type"] for event in shown(store, "m-0")["events"]] == ["queued", "sending", "sent"]


def test_two_claim_at_once_what_only_one_gets(store, accept, clock):
    ids = [accept(externalEmail="dana@customer.example", text="Hi").waiting[0][0] for _ in range(30)]
    taken: list[str] = []

    def claim(name: str) -> None:
        claimed = store.claim(ids, Channel.EMAIL, Lease(clock(), clock() + 60_000, name))
        taken.extend(one.claim.delivery_id for one in claimed)

    threads = [threading.Thread(target=claim, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(taken) == sorted(ids)


def test_what_cannot_be_written_undoes_the_whole_call(store, claims, clock, database_url):
    results = [Result(claims[0], DeliveryState.SENT, "sent"), Result(claims[1], DeliveryState.SENT, "sent")]
    with _refusing(store, "sent"), pytest.raises(DBAPIError if "sqlite" in database_url else psycopg.Error):
        store.write_progress([Beginning(claims[2])], results, clock())
    with store._db.read() as tx:
        begun = tx.execute(select(deliveries.c.begun_at).where(deliveries.c.begun_at.is_not(None))).all()
    assert (begun, shown(store, "m-0")["status"]) == ([], "sending")
    assert store.record(results, clock()) == [True, True]


@pytest.mark.parametrize("table", ["events", "messages"])
def test_what_cannot_be_recorded_is_not_recorded_by_half(store, claims, clock, database_url, table):
    results = [Result(claims[0], DeliveryState.SENT, "sent")]
    with (
        _refusing(store, "sent", table),
        pytest.raises(DBAPIError if "sqlite" in database_url else psycopg.Error),
    ):
        store.record(results, clock())
    assert (shown(store, "m-0")["status"], len(shown(store, "m-0")["events"])) == ("sending", 2)
    assert store.record(results, clock()) == [True]


def test_after_many_failures_it_is_recorded_like_before(store, claims, clock, database_url):
    """psycopg prepares what is asked the sixth time, and must not believe that it did where that failed."""
    first, second, *_ = ([Result(claim, DeliveryState.SENT, "sent")] for claim in claims)
    assert store.record(first, clock()) == [True]
    with _refusing(store, "sent"):
        for _ in range(12):
            with pytest.raises(DBAPIError if "sqlite" in database_url else psycopg.errors.CheckViolation):
                store.record(second, clock())
    assert store.record(second, clock()) == [True]


@on_postgresql
def test_a_server_that_is_read_only_for_a_while_is_away_for_a_procedure_too(
    store, claims, clock, database_url
):
    results = [Result(claims[0], DeliveryState.SENT, "sent")]
    with read_only(database_url):
        store.close()
        for _ in range(8):
            with pytest.raises(StoreUnavailable):
                store.record(results, clock())
    store.close()
    assert store.record(results, clock()) == [True]


@contextmanager
def read_only(database_url: str) -> Iterator[None]:
    """The database, for those that connect meanwhile."""
    with psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True) as other:
        change = f'ALTER DATABASE "{other.info.dbname}" SET default_transaction_read_only'
        other.execute(f"{change} = on")
        try:
            yield
        finally:
            other.execute(f"{change} = off")


@contextmanager
def _refusing(store: Store, event: str, table: str = "events") -> Iterator[None]:
    """Events of this type, or Messages of this status, cannot be written."""
    column, change = ("type", "INSERT") if table == "events" else ("status", "UPDATE")
    made, gone = {
        True: (
            f"CREATE TRIGGER refuse BEFORE {change} ON {table} WHEN NEW.{column} = '{event}' "
            "BEGIN SELECT RAISE(ABORT, 'refused'); END",
            "DROP TRIGGER refuse",
        ),
        False: (
            f"ALTER TABLE {table} ADD CONSTRAINT refuse CHECK ({column} <> '{event}') NOT VALID",
            f"ALTER TABLE {table} DROP CONSTRAINT refuse",
        ),
    }[store._db.is_sqlite]
    for statement, before in ((made, True), (gone, False)):
        with store._db.write() as tx:
            tx.exec_driver_sql(statement)
        if before:
            yield


@on_sqlite
def test_while_somebody_else_writes_it_waits_with_and_without_the_turn(store, claims, clock, database_url):
    path = make_url(database_url).database
    assert path
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as stranger:
        with Turn(Path(path), 1)():
            stranger.execute("BEGIN IMMEDIATE")
            ending = threading.Timer(0.3, stranger.execute, ["ROLLBACK"])
            ending.start()
            began, held = time.monotonic(), []
            beginning = threading.Thread(
                target=lambda: held.extend(store.begin([Beginning(claims[0])], clock()))
            )
            beginning.start()
            ending.join()
        beginning.join(10)
    assert held == [True]
    assert 0.3 <= time.monotonic() - began < 5


@on_sqlite
def test_it_needs_no_turn_where_nobody_writes(store, claims, clock, database_url):
    path = make_url(database_url).database
    assert path
    with Turn(Path(path), 1)():
        assert store.begin([Beginning(claims[0])], clock()) == [True]


@on_sqlite
def test_a_procedure_that_was_made_known_by_half_is_so_wholly_the_next_time(
    store, claims, clock, monkeypatch
):
    real, broken = Procedure._trigger, Store(str(store._db.engine.url))

    def breaking(view, columns, statements):
        if view.endswith("_begin"):
            raise MemoryError
        return real(view, columns, statements)

    monkeypatch.setattr(Procedure, "_trigger", staticmethod(breaking))
    with pytest.raises(MemoryError):
        broken.begin([Beginning(claims[0])], clock())
    monkeypatch.setattr(Procedure, "_trigger", staticmethod(real))
    assert broken.begin([Beginning(claims[0])], clock()) == [True]
    broken.close()


@on_sqlite
def test_who_has_the_whole_file_for_a_moment_is_waited_for(store, claims, clock, database_url):
    path = make_url(database_url).database
    assert path
    fresh = Store(database_url)
    store.close()  # the last to leave may have the file for itself
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as stranger:
        stranger.execute("PRAGMA locking_mode = EXCLUSIVE")
        stranger.execute("BEGIN EXCLUSIVE")
        stranger.execute("UPDATE secrets SET name = name")
        leaving = threading.Timer(0.3, stranger.close)
        leaving.start()
        assert fresh.begin([Beginning(claims[0])], clock()) == [True]
        leaving.join()
    fresh.close()


@on_postgresql
def test_of_all_connections_that_were_lost_only_one_is_met(store, claims, clock, database_url):
    with psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True) as other:
        inside = threading.Barrier(3)

        def hold() -> None:
            with store._db.read():
                inside.wait(10)

        threads = [threading.Thread(target=hold) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    failed = 0
    for claim in claims:
        try:
            assert store.begin([Beginning(claim)], clock()) == [True]
        except StoreUnavailable:
            failed += 1
    assert failed <= 1
