"""A fault of the store is the store's: it is unavailable for a while, and no Message fails because of it."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from messages.delivery import Beginning, Channel, Lease
from messages.errors import StoreUnavailable
from messages.states import DeliveryState
from messages.store import Result, Store
from messages.store.migrating import migrate
from tests.conftest import own_database
from tests.servers.stores import SQLSTATES, PostgresqlFaults, SqliteFaults, as_user
from tests.stored import shown

ON_POSTGRESQL = [
    "privilege revoked",
    "table renamed",
    "no connection left",
    "login refused",
    "read only",
    "database missing",
    "statement timeout",
    *(f"SQLSTATE {code}" for code in SQLSTATES),
]
ON_SQLITE = [
    "disk full",
    "file too large",
    "read only",
    "locked by another",
    "table renamed",
    "corrupted",
    "not a database",
    "cut off",
]


@dataclass
class Scene:
    store: Store
    faults: dict[str, Any]


@pytest.fixture(scope="module")
def postgresql_admin(postgres_url):
    with own_database(postgres_url) as admin:
        migrate(admin)
        yield admin


@pytest.fixture
def postgresql_scene(postgresql_admin, postgres_user):
    store = Store(as_user(postgresql_admin, postgres_user))
    yield Scene(store, PostgresqlFaults(postgresql_admin, postgres_user).faults)
    store.close()


@pytest.fixture
def sqlite_scene(sqlite_url, tmp_path, monkeypatch):
    monkeypatch.setattr("messages.store.sqlite.BUSY_SECONDS", 0.3)
    store = Store(sqlite_url)
    yield Scene(store, SqliteFaults(tmp_path / "roundsman.db", store).faults)
    store.close()


@pytest.fixture
def scene(request, on):
    return request.getfixturevalue(f"{on}_scene")


@pytest.mark.parametrize(
    ("on", "fault"),
    [*(("postgresql", fault) for fault in ON_POSTGRESQL), *(("sqlite", fault) for fault in ON_SQLITE)],
)
def test_fault_of_the_store_fails_no_message_and_loses_none(scene, fault, clock, make_acceptor, caplog):
    store, acceptor = scene.store, make_acceptor(scene.store)

    ids = {name: f"{name}-{fault}".replace(" ", "-") for name in ("begun", "waiting", "refused")}

    def post(name):
        text = "A page or two. " * 1000
        return acceptor.accept(
            [acceptor.draft({"id": ids[name], "externalEmail": "d@x.example", "text": text})]
        )

    [begun], [waiting] = post("begun"), post("waiting")
    claimed = claim(store, begun, clock)
    assert store.begin([Beginning(claimed)], clock()) == [True]
    with scene.faults[fault]():
        caplog.clear()
        writing = (
            lambda: post("refused"),
            lambda: claim(store, waiting, clock),
            lambda: store.record([Result(claimed, DeliveryState.SENT, "sent")], clock()),
        )
        for write in writing[:1] * 4 if fault == "disk full" else writing * 4:  # what is there has room
            with pytest.raises(StoreUnavailable):
                write()
        causes = [record for record in caplog.records if record.name.endswith("availability")]
        assert 1 <= len(causes) <= 3, caplog.text  # not one for each call
        assert len({record.getMessage() for record in causes}) == len(causes)
        assert not any(record.exc_info for record in caplog.records)
    with suppress(StoreUnavailable):  # a connection that was lost is noticed when it is used
        store.ping()
    assert store.record([Result(claimed, DeliveryState.SENT, "sent")], clock()) == [True]
    assert claim(store, waiting, clock)
    post("refused")
    found = {name: shown(store, ids[name])["status"] for name in ids}
    assert found == {"begun": "sent", "waiting": "sending", "refused": "queued"}


def lease(clock):
    return Lease(clock(), clock() + 60_000, "w1")


def claim(store, accepted, clock):
    return store.claim([accepted.waiting[0][0]], Channel.EMAIL, lease(clock))[0].claim
