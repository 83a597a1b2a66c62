"""The files of a SQLite store: private, and missed when they are deleted or replaced."""

import os
import sqlite3
import stat

import pytest

from messages.delivery import Channel
from messages.errors import StoreUnavailable
from messages.store import Store
from messages.store.migrating import migrate
from tests.stored import claim

MESSAGE = {"externalEmail": "dana@customer.example", "text": "Hello"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "roundsman.db"


@pytest.fixture
def post(sqlite_store, make_acceptor):
    acceptor = make_acceptor(sqlite_store)

    def one(message_id):
        return acceptor.accept([acceptor.draft({"id": message_id, **MESSAGE})])[0]

    return one


def files_of(path):
    return [path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm")]


def delete(path):
    path.unlink()


def delete_all(path):
    for file in files_of(path):
        file.unlink()


def delete_log(path):
    files_of(path)[1].unlink()


def delete_index(path):
    files_of(path)[2].unlink()


def replace(path):
    """By an empty one, as a careless restore would."""
    path.with_name("other").touch()
    path.with_name("other").replace(path)


def move(path):
    path.rename(path.with_name("moved.db"))


BREAKINGS = [delete, delete_all, replace, move]


@pytest.mark.parametrize("break_it", BREAKINGS)
def test_file_that_is_gone_stores_nothing_and_sends_nothing(
    sqlite_store, path, post, clock, break_it, sqlite_url
):
    accepted = post("before")
    backup = path.with_name("backup.db")
    with sqlite3.connect(path) as source, sqlite3.connect(backup) as copy:
        source.backup(copy)
    break_it(path)
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            post("lost")
        with pytest.raises(StoreUnavailable):
            claim(sqlite_store, accepted, Channel.EMAIL, clock)
        with pytest.raises(StoreUnavailable):
            sqlite_store.page(None, 1, 1)
        with pytest.raises(StoreUnavailable):
            sqlite_store.check_writable()
    backup.replace(path)
    assert post("after").is_new
    assert claim(sqlite_store, accepted, Channel.EMAIL, clock)
    sqlite_store.check_writable()
    other = Store(sqlite_url)
    assert other.page(None, 10, 1).total == 2
    other.close()


@pytest.mark.parametrize("break_it", [*BREAKINGS, delete_log, delete_index])
def test_commit_to_a_file_that_is_deleted_meanwhile_is_not_told_as_one(sqlite_store, path, post, break_it):
    post("before")
    with pytest.raises(StoreUnavailable, match="deleted or replaced"), sqlite_store._db.write():
        break_it(path)


@pytest.mark.parametrize("break_it", [delete_log, delete_index])
def test_log_or_index_that_is_gone_is_made_again(sqlite_store, path, post, sqlite_url, break_it):
    post("before")
    break_it(path)
    assert post("after").is_new
    other = Store(sqlite_url)
    assert other.page(None, 10, 1).total >= 1
    assert other.find(["after"])
    other.close()


def test_store_makes_no_file_in_the_place_of_one_that_is_missing(tmp_path):
    store = Store(f"sqlite:///{tmp_path / 'missing.db'}")
    with pytest.raises(StoreUnavailable, match="unable to open database file"):
        store.ping()
    store.close()
    assert not (tmp_path / "missing.db").exists()


@pytest.mark.parametrize("name", ["roundsman.db", "with space?and#and%41.db"])
def test_files_of_a_store_are_its_owners_alone(tmp_path, make_acceptor, name):
    path = tmp_path / name
    url = f"sqlite:///{str(path).replace('%', '%25').replace('?', '%3F').replace('#', '%23')}"
    before = os.umask(0)
    try:
        migrate(url)
        acceptor = make_acceptor(store := Store(url))
        acceptor.accept([acceptor.draft(MESSAGE)])
        assert modes(tmp_path) == {0o600}
        assert len(list(tmp_path.iterdir())) >= 4
    finally:
        os.umask(before)
    store.close()


def test_files_that_others_could_read_are_made_private_and_their_folder_is_left_alone(
    sqlite_url, tmp_path, make_acceptor
):
    path = tmp_path / "roundsman.db"
    open_before = sqlite3.connect(path)
    open_before.execute("CREATE TABLE more (x)")  # so that there are a log and an index
    for file in files_of(path):
        file.chmod(0o664)
    tmp_path.chmod(0o755)
    acceptor = make_acceptor(store := Store(sqlite_url))
    acceptor.accept([acceptor.draft(MESSAGE)])
    assert modes(tmp_path) == {0o600}
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
    store.close()
    open_before.close()


def modes(folder):
    return {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
