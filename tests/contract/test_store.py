"""Every store, SQLite and PostgreSQL: its schema, its key, and how it says that it is away."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import make_url

from messages.errors import StoreUnavailable
from messages.store import Store
from messages.store.database import Database
from messages.store.schema import metadata


def test_the_migrated_schema_is_the_one_the_code_expects(database_url):
    database = Database(database_url)
    with database.read() as tx:
        found = compare_metadata(MigrationContext.configure(tx), metadata)
    database.close()
    assert found == []


def test_all_processes_share_one_signing_key(store, database_url):
    other = Store(database_url)
    assert store.signing_key() == other.signing_key()
    assert len(store.signing_key()) == 32
    other.close()


@pytest.mark.parametrize(
    "url", ["postgresql+psycopg://u:secret@127.0.0.1:1/x", "sqlite:////nonexistent/folder/x.db"]
)
def test_a_store_that_cannot_be_reached_says_so_without_its_password(url):
    store = Store(url)
    with pytest.raises(StoreUnavailable) as raised:
        store.ping()
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)
    store.close()


def test_second_of_two_servers_is_used_where_the_first_is_away(postgres_url, tmp_path):
    there = make_url(postgres_url)
    query = {"host": f"{tmp_path},{there.query['host']}", "target_session_attrs": "read-write"}
    store = Store(there.set(query=query).render_as_string(hide_password=False))
    store.check_writable()
    store.close()
