"""The real `roundsman up`, in a checkout, a folder and on ports of its own."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from messages.settings import PROJECT_ROOT
from tests.acceptance.fixtures import app, ended, providers, smtp, start, take, twilio, wiring  # noqa: F401
from tests.servers.ports import free_ports

ROUNDSMAN = str(Path(sys.executable).parent / "roundsman")
PORTS = ("PORT", "SANDBOX_PORT", "SANDBOX_SMTP_PORT", "FLOWER_PORT", "VALKEY_PORT")
RUNNING = "Ctrl-C stops everything"
PACKAGES = ("intake", "messages", "tasks", "worker", "templates")


class Up:
    """A `roundsman up`, or what came of it. `said` is what the terminal showed so far."""

    def __init__(self, checkout: Path, folder: Path, settings: Mapping[str, str]) -> None:
        self.checkout, self.folder = checkout, folder
        self.ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        #: What a command needs in its environment to talk to this one: nothing of the developer's reaches it.
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(checkout),
            "VAR_DIR": str(folder / "var"),
            **{name: str(port) for name, port in self.ports.items()},
            **settings,
        }
        self._output = folder / "output"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def said(self) -> str:
        return self._output.read_text(encoding="utf-8", errors="replace")

    @property
    def pid(self) -> int:
        assert self.process
        return self.process.pid

    @property
    def api(self) -> str:
        """Intake's base URL."""
        return f"http://127.0.0.1:{self.ports['PORT']}"

    @property
    def sandbox(self) -> str:
        """The sandbox's base URL."""
        return f"http://127.0.0.1:{self.ports['SANDBOX_PORT']}"

    @property
    def flower(self) -> str:
        """Flower's base URL."""
        return f"http://127.0.0.1:{self.ports['FLOWER_PORT']}"

    def start(self, *arguments: str) -> "Up":
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [ROUNDSMAN, "up", *arguments],
                env=self.env,
                cwd=self.checkout,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def wait_until(self, text: str, seconds: float = 60) -> "Up":
        """Wait until the terminal shows `text`; fails when it ends before."""
        return self.wait_until_matches(re.escape(text), seconds)

    def wait_until_matches(self, pattern: str, seconds: float = 60) -> "Up":
        """The same for a regular expression."""
        deadline = time.monotonic() + seconds
        while not re.search(pattern, self.said):
            if time.monotonic() > deadline or (self.process and self.process.poll() is not None):
                pytest.fail(f"`roundsman up` did not say {pattern!r}, but:\n{self.said}")
            time.sleep(0.05)
        return self

    def processes(self, pattern: str = "") -> list[psutil.Process]:
        """All processes that belong to it, also orphans, whose command line has `pattern`."""
        return [process for process in psutil.process_iter() if self._owns(process, pattern)]

    def _owns(self, process: psutil.Process, pattern: str) -> bool:
        try:
            command = " ".join(process.cmdline())
            # Valkey writes its title over its environment.
            ours = f"valkey-server 127.0.0.1:{self.ports['VALKEY_PORT']}" in _unpathed(command)
            ours = ours or process.environ().get("VAR_DIR") == self.env["VAR_DIR"]
            return ours and re.search(pattern, command) is not None
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            return False

    def end(self, number: signal.Signals = signal.SIGTERM, seconds: float = 10) -> int:
        """Send it a signal; its exit code. Fails if that takes longer than promised."""
        assert self.process
        self.process.send_signal(number)
        return self.process.wait(seconds)

    def result(self, seconds: float = 30) -> tuple[int, str]:
        """Exit code and output of one that is to give up."""
        assert self.process
        return self.process.wait(seconds), self.said

    def clean_up(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
        for process in self.processes():
            process.kill()


def _unpathed(command: str) -> str:
    return command.rpartition("/")[2]


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages, so that no `.env` and no `var/` of the developer's is in play."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in PACKAGES:
        shutil.copytree(PROJECT_ROOT / name, folder / name)
    return folder


class Ups:
    """Makes `Up`s and sees to it that nothing of them is left."""

    def __init__(self, checkout: Path, folder: Path) -> None:
        self._checkout, self._folder = checkout, folder
        self._made: list[Up] = []

    def make(self, folder: Path | None = None, checkout: Path | None = None, **settings: str) -> Up:
        """One that is not yet started, with these settings."""
        up = Up(checkout or self._checkout, folder or self._folder, settings)
        self._made.append(up)
        return up

    def clean_up(self) -> None:
        for up in self._made:
            up.clean_up()


@pytest.fixture
def ups(checkout: Path, tmp_path: Path) -> Iterator[Ups]:
    """`ups.make(SETTING="value")` gives an `Up`."""
    made = Ups(checkout, tmp_path)
    yield made
    made.clean_up()


@pytest.fixture(scope="session")
def running(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One `roundsman up` for all tests that only use it: its URLs are `api`, `sandbox` and `flower`."""
    made = Ups(checkout, tmp_path_factory.mktemp("running"))
    try:
        yield made.make().start().wait_until(RUNNING)
    finally:
        made.clean_up()
