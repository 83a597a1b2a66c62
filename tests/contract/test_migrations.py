"""A store made by an earlier version is upgraded with all that is in it, and then works as a new one does."""

import hashlib
import sqlite3
import threading
from pathlib import Path

import orjson
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import LargeBinary, MetaData, create_engine, insert

from messages.delivery import Beginning, Channel, Lease
from messages.errors import Conflict
from messages.reconciliation import AskPolicy
from messages.states import DeliveryState
from messages.store import Accepted, Result, Store
from messages.store import migrations as migrations_package
from messages.store.database import Database
from messages.store.migrating import migrate
from messages.store.schema import metadata
from tests.servers import wait_until
from tests.stored import shown, states

VERSIONS = Path(migrations_package.__path__[0]) / "versions"
REVISIONS = sorted(path.name[:4] for path in VERSIONS.glob("[0-9]*.py"))

#: SHA-256 of each migration that stores out there have run: it is never edited again, only followed.
RELEASED = {
    "0001_the_first_schema.py": "dc2c4f9a1f3c41ad0078b81a85aed1f3ece0609fd1130cefaa6513d548f36664",
}

#: The rows of a store of revision 0001, written by the version that had that schema.
ROWS_OF_0001 = orjson.loads((Path(__file__).parent / "stores" / "revision_0001.json").read_bytes())

#: What producers posted then, by the id that the Message has. A repeat of it is known.
POSTS = {
    "queued": {
        "id": "queued",
        "externalPhoneNumber": "804-222-1111",
        "externalEmail": "dana@customer.example",
        "text": "Hello",
    },
    "scheduled": {
        "id": "scheduled",
        "externalPhoneNumber": "804-222-1112",
        "text": "Later",
        "sendAt": "2033-05-18T03:33:20.000Z",
    },
    "attached": {
        "id": "attached",
        "externalEmail": "ari@customer.example",
        "text": "See the file",
        "lead": {"id": "lead-1", "firstName": "Ari"},
        "attachments": [
            {"id": "att-1", "filename": "offer.txt", "mimeType": "text/plain", "content": "T2ZmZXI="}
        ],
    },
    "sent": {"id": "sent", "externalEmail": "sam@customer.example", "text": "Sent"},
    "failed": {"id": "failed", "externalPhoneNumber": "804-222-1113", "text": "Failed"},
    "unknown": {"id": "unknown", "externalPhoneNumber": "804-222-1114", "text": "In doubt"},
    "sending": {"id": "sending", "externalEmail": "lee@customer.example", "text": "Claimed"},
}
KEYED = {"externalEmail": "kim@customer.example", "text": "By key"}
KEYED_ID = "msg_01m8q5h6tkr1d4mdj7nmyp61mn"


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request, tmp_path):
    """A place for a store, on every database."""
    if request.param == "postgresql":
        return request.getfixturevalue("empty_postgres_url")
    return f"sqlite:///{tmp_path / 'upgraded.db'}"


@pytest.fixture(params=REVISIONS)
def upgraded(request, new_url):
    """A store that was at this revision, with Messages in it, brought up to date."""
    migrate(new_url, "0001")
    fill(new_url)
    migrate(new_url, request.param)
    migrate(new_url)
    store = Store(new_url)
    yield store
    store.close()


def fill(url):
    engine = create_engine(url)
    tables = MetaData()
    tables.reflect(engine)
    with engine.begin() as connection:
        for name, rows in ROWS_OF_0001.items():
            for row in rows:
                connection.execute(insert(tables.tables[name]).values(**_values(tables.tables[name], row)))
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT setval('events_id_seq', (SELECT max(id) FROM events))")
    engine.dispose()


def _values(table, row):
    return {
        name: bytes.fromhex(value["hex"]) if isinstance(table.c[name].type, LargeBinary) else value
        for name, value in row.items()
    }


def test_released_migrations_are_never_edited():
    found = {name: hashlib.sha256((VERSIONS / name).read_bytes()).hexdigest() for name in RELEASED}
    assert found == RELEASED


def test_revisions_are_numbered_without_a_gap():
    assert [f"{number:04}" for number in range(1, len(REVISIONS) + 1)] == REVISIONS


def test_upgraded_store_has_the_schema_of_a_new_one(upgraded, new_url):
    database = Database(new_url)
    with database.read() as tx:
        differences = compare_metadata(MigrationContext.configure(tx), metadata)
    database.close()
    assert differences == []


def test_upgraded_store_shows_and_lists_every_message(upgraded):
    assert upgraded.page(None, 20, 1).total == len(ROWS_OF_0001["messages"])
    assert {name: shown(upgraded, name)["status"] for name in POSTS} == {
        name: {"attached": "queued"}.get(name, name) for name in POSTS
    }
    assert states(upgraded, "queued") == {"sms": "queued", "email": "queued"}
    assert shown(upgraded, "failed")["deliveries"][0]["error"] == "The number does not exist (21211)"
    assert [event["type"] for event in shown(upgraded, "sent")["events"]] == ["queued", "sending", "sent"]
    assert shown(upgraded, "attached", depth=1)["lead"]["firstName"] == "Ari"
    assert upgraded.attachment_content("att-1") == b"Offer"
    [refused] = upgraded.refused(10)
    assert (refused.reason, refused.body) == ("text: 5 is not a string", '{"text": 5}')
    assert upgraded.signing_key() == bytes.fromhex("01" * 32)


def test_upgraded_store_knows_a_repeat_of_each_post(upgraded, make_acceptor):
    acceptor = make_acceptor(upgraded)
    for name, post in POSTS.items():
        [again] = acceptor.accept([acceptor.draft(post)])
        assert isinstance(again, Accepted), (name, again)
        assert (again.message_id, again.is_new) == (name, False)
    [again] = acceptor.accept([acceptor.draft(KEYED, "key-1")])
    assert (again.message_id, again.is_new) == (KEYED_ID, False)
    [other] = acceptor.accept([acceptor.draft({**POSTS["sent"], "text": "Something else"})])
    assert isinstance(other, Conflict)


def test_upgraded_store_goes_on_with_what_was_under_way(upgraded, clock, make_acceptor):
    waiting = [row["id"] for row in ROWS_OF_0001["deliveries"] if row["message_id"] == "queued"]
    for channel in Channel:
        [claimed] = upgraded.claim(waiting, channel, Lease(clock(), clock() + 60_000, "w2"))
        assert upgraded.begin([Beginning(claimed.claim)], clock()) == [True]
        assert upgraded.record([Result(claimed.claim, DeliveryState.SENT, "sent")], clock()) == [True]
    assert shown(upgraded, "queued")["status"] == "sent"
    assert upgraded.redrive(["failed"], "ada", clock()).moved
    assert upgraded.cancel(["scheduled"], "ada", clock()).moved
    clock.pass_seconds(61)  # the lease of "sending" has run out, and "unknown" may be asked about
    upgraded.sweep(clock(), {}, 0)
    assert shown(upgraded, "sending")["status"] == "queued"
    assert [asked.attempt for asked in upgraded.take_unknown(clock(), AskPolicy(1, 10**9, 1000), 10)] == [1]
    acceptor = make_acceptor(upgraded)
    [new] = acceptor.accept([acceptor.draft({"externalEmail": "new@customer.example", "text": "New"})])
    assert new.is_new


def test_migration_waits_for_the_lock_of_sqlite(tmp_path):
    path = tmp_path / "held.db"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("PRAGMA journal_mode=WAL")
    other.execute("BEGIN IMMEDIATE")
    migrating = threading.Thread(target=migrate, args=(f"sqlite:///{path}",))
    migrating.start()
    migrating.join(0.3)
    assert migrating.is_alive()
    other.execute("ROLLBACK")
    migrating.join(8)
    wait_until(
        lambda: other.execute("SELECT version_num FROM alembic_version").fetchone() == (REVISIONS[-1],)
    )
    other.close()
