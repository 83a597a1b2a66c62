"""PostgreSQL behind a pooler in transaction mode, and what else makes prepared statements disappear."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from messages.delivery import Beginning, Channel, Lease
from messages.errors import StoreUnavailable
from messages.states import DeliveryState
from messages.store import Result, Store
from messages.store.migrating import migrate
from tests.servers import wait_until
from tests.servers.ports import free_port
from tests.servers.stores import as_user

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


def send_one(store, acceptor, clock, name):
    """From acceptance to the outcome."""
    draft = acceptor.draft({"id": name, "externalEmail": "dana@customer.example", "text": "Hello"})
    [accepted] = acceptor.accept([draft])
    lease = Lease(clock(), clock() + 60_000, "w1")
    [claimed] = store.claim([accepted.waiting[0][0]], Channel.EMAIL, lease)
    assert store.begin([Beginning(claimed.claim)], clock()) == [True]
    assert store.record([Result(claimed.claim, DeliveryState.SENT, "sent")], clock()) == [True]


def on_each_connection(store: Store, statement: str) -> None:
    """Have the server do this in the sessions of the store, as a pooler or an administrator may."""
    for engine in (store._db.engine, store._db._at_once):
        opened = [engine.connect() for _ in range(engine.pool.checkedin())]
        for connection in opened:
            connection.connection.driver_connection.execute(statement, prepare=False)
            connection.connection.driver_connection.commit()
        for connection in opened:
            connection.close()


@on_postgresql
def test_prepared_statements_that_disappear_fail_no_message(store, acceptor, clock):
    for number in range(7):  # psycopg prepares what is asked the sixth time
        send_one(store, acceptor, clock, f"before-{number}")
    on_each_connection(store, "DEALLOCATE ALL")
    for number in range(20):
        with suppress(StoreUnavailable):
            send_one(store, acceptor, clock, f"after-{number}")
    send_one(store, acceptor, clock, "last")
    assert store.page(DeliveryState.FAILED, 1, 1).total == 0
    assert store.page(DeliveryState.SENT, 100, 1).total >= 7 + 20 - 10


def test_migration_under_a_running_process_fails_no_message(empty_postgres_url, make_acceptor, clock):
    migrate(empty_postgres_url)
    store = Store(empty_postgres_url)
    acceptor = make_acceptor(store)
    for number in range(7):
        send_one(store, acceptor, clock, f"before-{number}")
    with psycopg.connect(empty_postgres_url.replace("+psycopg", "")) as other:
        for table in ("messages", "deliveries", "attempts", "events"):
            other.execute(f"ALTER TABLE {table} ADD COLUMN of_a_later_version text")
    for number in range(20):
        with suppress(StoreUnavailable):
            send_one(store, acceptor, clock, f"after-{number}")
    send_one(store, acceptor, clock, "last")
    assert store.page(DeliveryState.FAILED, 1, 1).total == 0
    store.close()


@pytest.fixture(params=["options ignored", "options refused"])
def pooled_url(request, empty_postgres_url, postgres_user) -> Iterator[str]:
    """PgBouncer in transaction mode, with fewer connections to the server than it gives."""
    if PGBOUNCER is None:
        pytest.skip("pgbouncer is not installed")
    migrate(empty_postgres_url)
    url = make_url(as_user(empty_postgres_url, postgres_user))
    with psycopg.connect(empty_postgres_url.replace("+psycopg", "")) as admin:
        for kind in ("TABLES", "SEQUENCES"):
            admin.execute(f"GRANT ALL ON ALL {kind} IN SCHEMA public TO {postgres_user}")
    folder, port = Path(tempfile.mkdtemp(prefix="roundsman-pgbouncer-")), free_port()
    (folder / "users").write_text(f'"{postgres_user}" "a-password"\n')
    ignored = "extra_float_digits" + (",options" if request.param == "options ignored" else "")
    host = url.query.get("host", url.host)
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n{url.database} = host={host} port={url.port or 5432}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = plain\nauth_file = {folder}/users\npool_mode = transaction\n"
        f"default_pool_size = 3\nignore_startup_parameters = {ignored}\n"
    )
    # It refuses to run as root, and must reach the server's socket.
    owner = Path(str(host)).stat().st_uid if os.geteuid() == 0 and str(host).startswith("/") else None
    log = folder / "log"
    if owner is not None:
        for path in (folder, *folder.iterdir()):
            os.chown(path, owner, -1)
    with log.open("w") as out:
        process = subprocess.Popen(
            [PGBOUNCER, str(folder / "pgbouncer.ini")], user=owner, stdout=out, stderr=out
        )
    pooled = url.set(host="127.0.0.1", port=port, query={}).render_as_string(hide_password=False)
    try:
        wait_until(lambda: process.poll() is not None or _answers(pooled))
        assert process.poll() is None, log.read_text()
        yield pooled
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder)


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url.replace("+psycopg", "")).close()
    except psycopg.OperationalError:
        return False
    return True


def test_store_works_behind_a_pooler_in_transaction_mode(pooled_url, make_acceptor, clock):
    stores = [Store(pooled_url) for _ in range(4)]

    def send_some(at):
        acceptor = make_acceptor(stores[at])
        for number in range(15):
            send_one(stores[at], acceptor, clock, f"{at}-{number}")

    with ThreadPoolExecutor(len(stores)) as threads:
        list(threads.map(send_some, range(len(stores))))
    assert stores[0].page(DeliveryState.SENT, 1, 1).total == 60
    for store in stores:
        store.close()
