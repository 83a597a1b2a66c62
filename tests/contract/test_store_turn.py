"""The turn to write to an SQLite file, among threads and processes."""

import fcntl
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest
from sqlalchemy import insert, select
from sqlalchemy.engine import make_url

from messages.errors import StoreUnavailable
from messages.store.database import Database
from messages.store.schema import secrets
from messages.store.turn import Turn
from tests.servers import wait_until

HOLD = """
import sys, time
from pathlib import Path
from messages.store.turn import Turn
with Turn(Path(sys.argv[1]), 5)():
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "roundsman.db"


def test_another_process_waits_for_it_and_gets_it_when_its_holder_is_killed(path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StoreUnavailable, match="busy"), Turn(path, 0.05)():
            pass
        holder.kill()
    with Turn(path, 5)():
        pass


def test_a_process_that_is_stopped_while_it_waits_holds_up_nobody(path: Path) -> None:
    with Turn(path, 5)():
        waiting = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE)
        place = path.with_name(path.name + "-next")
        wait_until(lambda: place.exists() and _is_locked(place))
        waiting.send_signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        for _ in range(3):
            with Turn(path, 5)():
                pass
        assert time.monotonic() - began < 1
    finally:
        waiting.kill()
        waiting.communicate()


def test_who_goes_from_one_to_the_next_lets_another_process_go_first(path: Path) -> None:
    turn = Turn(path, 5)
    with turn():
        waiting = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE)
        place = path.with_name(path.name + "-next")
        wait_until(lambda: place.exists() and _is_locked(place))
    try:
        with pytest.raises(StoreUnavailable), turn(time.monotonic() + 0.3):
            pass
    finally:
        waiting.kill()
        waiting.communicate()


def _is_locked(path: Path) -> bool:
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_of_many_threads_one_has_it_at_a_time(path: Path) -> None:
    turns, inside, most = [Turn(path, 30), Turn(path, 30)], [0], [0]

    def write(turn: Turn) -> None:
        for _ in range(50):
            with turn():
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    threads = [threading.Thread(target=write, args=(turns[n % 2],)) for n in range(6)]
    for thread in threads:
        thread.start()
    wait_until(lambda: not any(thread.is_alive() for thread in threads))
    assert most == [1]


def test_a_writer_that_fails_gives_it_back(path: Path) -> None:
    turn = Turn(path, 1)
    with pytest.raises(ZeroDivisionError), turn():
        _ = 1 / 0
    with turn():
        pass


def test_a_lock_held_by_somebody_without_the_turn_is_waited_for_until_the_same_deadline(
    sqlite_url: str,
) -> None:
    database, path = Database(sqlite_url), make_url(sqlite_url).database
    assert path
    with closing(sqlite3.connect(path, isolation_level=None)) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        with pytest.raises(StoreUnavailable, match="locked"), database.write(begun + 0.2):
            pass
        assert 0.2 <= time.monotonic() - begun < 4
        stranger.execute("ROLLBACK")
    with database.write():
        pass
    database.close()


def test_the_turn_and_the_lock_share_one_deadline(sqlite_url: str) -> None:
    database, path = Database(sqlite_url), make_url(sqlite_url).database
    assert path
    begun = time.monotonic()
    with Turn(Path(path), 1)(), pytest.raises(StoreUnavailable, match="busy"), database.write(begun + 0.2):
        pass
    assert time.monotonic() - begun < 4
    database.close()


def test_what_is_not_ready_by_its_deadline_is_not_committed(database_url: str) -> None:
    database = Database(database_url)
    for seconds, kept in ((0.0, []), (60.0, ["late"])):
        with suppress(StoreUnavailable), database.write(time.monotonic() + seconds) as tx:
            tx.execute(insert(secrets).values(name="late", value=b"x"))
        with database.read() as tx:
            assert list(tx.execute(select(secrets.c.name)).scalars()) == kept
    database.close()
