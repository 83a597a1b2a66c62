"""The turn to write to an SQLite file, among threads and processes."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from messages.errors import StoreUnavailable
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
