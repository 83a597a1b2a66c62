"""What runs, as the runner sees it: started by the launcher, and started again when it dies."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from messages.settings import PROJECT_ROOT

#: Seconds until what died is started again.
RESTART_SECONDS = 0.3


class Processes:
    """Named processes. `keep` ones come back by themselves."""

    def __init__(self, environment: Mapping[str, str], orders: Path, logs: Path) -> None:
        self._environment, self._orders, self._logs = environment, orders, logs
        self._requests: dict[str, dict[str, Any]] = {}
        self._kept: set[str] = set()
        self._pids: dict[str, int] = {}
        self._began: dict[int, float] = {}
        self._changed = asyncio.Event()
        self._closing = False
        self.ended: list[tuple[str, int, int]] = []  #: (name, pid, exit code, negative for a signal)

    async def open(self) -> None:
        """Start the launcher."""
        command = (sys.executable, "-m", "tests.chaos.launcher", str(self._orders), str(self._logs))
        log = (self._logs / "launcher.log").open("ab")
        self._launcher = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log,
            env=dict(self._environment), cwd=PROJECT_ROOT, start_new_session=True,
        )  # fmt: skip
        log.close()
        self._ready = asyncio.Event()
        self._reading = asyncio.create_task(self._read())
        async with asyncio.timeout(60):
            await self._ready.wait()

    async def close(self) -> None:
        """Kill everything, and wait until it is gone."""
        self.guard()
        self._closing = True
        if self._launcher.stdin:
            self._launcher.stdin.close()
        await self._launcher.wait()
        await self._reading

    def guard(self, *pid_files: Path) -> None:
        """Have the processes named there ended, too, should the runner be killed; these and no others."""
        self._tell({"guard": [str(path) for path in pid_files]})

    def start(self, name: str, *, keep: bool = True, **request: Any) -> None:
        """Start it; see the launcher."""
        self._requests[name] = {"name": name, **request}
        if keep:
            self._kept.add(name)
        self._tell(self._requests[name])

    def start_again(self, name: str) -> None:
        """Start what is not kept."""
        self._tell(self._requests[name])

    def pid(self, name: str) -> int | None:
        """Its pid, while it runs."""
        return self._pids.get(name)

    def pids(self, kind: str, age: float = 0) -> list[int]:
        """Those of all that run of one kind, for at least `age` seconds."""
        of_kind = (pid for name, pid in self._pids.items() if self._requests[name]["kind"] == kind)
        return [pid for pid in of_kind if time.monotonic() - self._began[pid] >= age]

    def signal(self, pid: int, number: int) -> bool:
        """Send a signal, if that process is still ours and there."""
        if pid not in self._pids.values():
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            return True
        return False

    async def until_ended(self, pid: int, seconds: float) -> bool:
        """Wait for the end of a process. False when it still runs after that time."""
        deadline = time.monotonic() + seconds
        while pid in self._pids.values():
            self._changed.clear()
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    await self._changed.wait()
            except TimeoutError:
                return False
        return True

    def wake_all(self) -> None:
        """SIGCONT to all."""
        for pid in list(self._pids.values()):
            self.signal(pid, signal.SIGCONT)

    def _tell(self, request: Mapping[str, Any]) -> None:
        if self._launcher.stdin and not self._closing:
            self._launcher.stdin.write(json.dumps(request).encode() + b"\n")

    async def _read(self) -> None:
        assert self._launcher.stdout
        async for line in self._launcher.stdout:
            event = json.loads(line)
            if event["event"] == "ready":
                self._ready.set()
            elif event["event"] == "started":
                self._pids[event["name"]] = event["pid"]
                self._began[event["pid"]] = time.monotonic()
            else:
                self._on_end(event["name"], event["pid"], event["code"])
            self._changed.set()

    def _on_end(self, name: str, pid: int, code: int) -> None:
        self.ended.append((name, pid, code))
        if self._pids.get(name) == pid:
            del self._pids[name]
        if name in self._kept and not self._closing:
            asyncio.get_running_loop().call_later(RESTART_SECONDS, self.start_again, name)
