"""The parts as real processes: workers, intakes, a Valkey that can be killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx
import redis

from messages.settings import PROJECT_ROOT
from tests.servers import wait_until
from worker.up.broker import find_server


class Process:
    """One process, and what it logged."""

    def __init__(self, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("a") as out:
            self.popen = subprocess.Popen(
                command, cwd=PROJECT_ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT
            )

    @property
    def said(self) -> str:
        return self.log.read_text()

    def send(self, number: int) -> None:
        self.popen.send_signal(number)

    def stop(self, number: int = signal.SIGTERM, seconds: float = 20) -> int:
        self.send(number)
        return self.popen.wait(seconds)

    def end(self) -> None:
        """Whatever state it is in."""
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """Nothing of the developer's but the PATH."""
    return {"PATH": os.environ["PATH"], "VAR_DIR": str(folder / "var"), **settings}


class Worker(Process):
    """`celery -A worker worker`."""

    def __init__(self, environment: Mapping[str, str], folder: Path, name: str = "w1") -> None:
        options = ["-n", f"{name}@test", "-l", "INFO", "--without-mingle", "--without-gossip"]
        command = [sys.executable, "-m", "celery", "-A", "worker", "worker", *options]
        super().__init__(command, environment, folder / f"{name}.log")
        self._before = self.said.count("ready.")

    def wait_ready(self) -> "Worker":
        wait_until(lambda: self.said.count("ready.") > self._before or self.popen.poll() is not None, 30)
        assert self.popen.poll() is None, self.said
        return self


class Intake(Process):
    """`uvicorn intake.app:app`."""

    def __init__(self, environment: Mapping[str, str], folder: Path, port: int) -> None:
        options = ["--port", str(port), "--no-access-log", "--timeout-graceful-shutdown", "5"]
        command = [sys.executable, "-m", "uvicorn", "intake.app:app", *options]
        super().__init__(command, environment, folder / "intake.log")
        self.url = f"http://127.0.0.1:{port}"

    def wait_ready(self) -> "Intake":
        wait_until(self._answers, 30)
        return self

    def _answers(self) -> bool:
        assert self.popen.poll() is None, self.said
        try:
            return httpx.get(f"{self.url}/healthz").status_code == 200
        except httpx.TransportError:
            return False


class Valkey:
    """A server to be killed, frozen and started again."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder, self._port = folder, port
        self.url = f"redis://127.0.0.1:{port}/0"
        self.client = redis.Redis(port=port, socket_timeout=5)

    def start(self) -> "Valkey":
        options = ["--port", str(self._port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self._folder)]
        self.process = Process([str(find_server()), *options], os.environ, self._folder / "valkey.log")
        wait_until(self._answers)
        return self

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False
