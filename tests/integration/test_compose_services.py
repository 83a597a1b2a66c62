"""Each of our services in docker-compose.yml, run by its own command as a plain process, until it is healthy.

The environment is the one the file gives it; the other containers' names are translated to real servers here.
"""

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from messages.settings import PROJECT_ROOT
from tests.servers.ports import free_port

GIVEN = {
    "API_KEYS": "a-long-random-key",
    "POSTGRES_PASSWORD": "p#ss w:rd/",
    "FLOWER_BASIC_AUTH": "ops:secret",
}
VARIABLE = re.compile(r"\$\$|\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\}")
TEXT = (PROJECT_ROOT / "docker-compose.yml").read_text(encoding="utf-8")


class NotSetError(Exception):
    """A variable that must be set is not."""


def interpolated(given):
    """The file as Compose reads it: `${A}`, `${A:-default}`, `${A:?error}`, `$$`."""

    def value(match):
        if match[0] == "$$":
            return "$"
        if found := given.get(match["name"]):
            return found
        if match["kind"] == "?":
            raise NotSetError(match["rest"])
        return match["rest"] or ""

    # Value by value, as Compose does, so that a value cannot change the file's structure.
    def walk(node):
        if isinstance(node, dict):
            return {key: walk(item) for key, item in node.items()}
        if isinstance(node, list):
            return [walk(item) for item in node]
        return VARIABLE.sub(value, node) if isinstance(node, str) else node

    return walk(yaml.safe_load(TEXT))


@pytest.mark.parametrize("name", sorted(GIVEN))
def test_without_a_secret_compose_says_which(name):
    with pytest.raises(NotSetError, match=f"set {name} in .env"):
        interpolated({key: value for key, value in GIVEN.items() if key != name})


class Container:
    """A service's command, environment and health check, with ports and hosts of this machine."""

    def __init__(self, name, folder, database_url, broker_url):
        given = {**GIVEN, "DATABASE_URL": database_url, "BROKER_URL": broker_url}
        self._service = interpolated(given)["services"][name]
        self.port = free_port()
        self._env = {
            "PATH": f"{Path(sys.executable).parent}:{os.defpath}",
            "HOSTNAME": socket.gethostname(),  # as Docker sets it
            **self._service["environment"],
            "VAR_DIR": str(folder),
            "TEMPLATES_DIR": str(PROJECT_ROOT / "templates"),
        }
        if "PORT" in self._env:
            self._env |= {"PORT": str(self.port), "HOST": "127.0.0.1"}
        # Where no `.env` and no package lies: what the image has in place of a checkout.
        self._folder = folder
        self.process = None

    def _here(self, argument):
        return re.sub(r"(?<=127\.0\.0\.1:)8000|5555", str(self.port), argument).replace(
            "0.0.0.0", "127.0.0.1"
        )

    def run(self, command):
        return subprocess.run(
            command, env=self._env, cwd=self._folder, capture_output=True, text=True, check=False
        )

    def run_to_its_end(self):
        return self.run([self._here(word) for word in self._service["command"]])

    def __enter__(self):
        command = [self._here(word) for word in self._service["command"]]
        with (self._folder / "output").open("w") as output:
            self.process = subprocess.Popen(
                command, env=self._env, cwd=self._folder, stdout=output, stderr=output
            )
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def healthy(self):
        kind, *command = self._service["healthcheck"]["test"]
        if kind == "CMD-SHELL":
            command = ["/bin/sh", "-c", *command]
        return self.run([self._here(word) for word in command]).returncode == 0

    def becomes_healthy(self, seconds=60):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.healthy():
                return True
            assert self.process.poll() is None, (self._folder / "output").read_text()
        pytest.fail((self._folder / "output").read_text())

    def ends_on_sigterm(self, seconds=15):
        self.process.terminate()
        return self.process.wait(seconds)


@pytest.fixture
def container(tmp_path, postgres_url, broker_url):
    return lambda name: Container(name, tmp_path, postgres_url, broker_url)


def test_migrate_ends_well(container):
    done = container("migrate").run_to_its_end()
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["intake", "flower", "worker"])
def test_a_service_becomes_healthy_and_ends_on_sigterm(container, name):
    with container(name) as service:
        assert not service.healthy()
        assert service.becomes_healthy()
        assert service.ends_on_sigterm() in ((0, -15) if name == "flower" else (0,))


def test_flower_asks_for_the_password(container):
    with container("flower") as flower:
        flower.becomes_healthy()
        asked = (
            "import sys, urllib.request as r, urllib.error as e\n"
            "try: r.urlopen(sys.argv[1], timeout=5)\n"
            "except e.HTTPError as error: print(error.code)"
        )
        url = f"http://127.0.0.1:{flower.port}/workers"
        assert flower.run([sys.executable, "-c", asked, url]).stdout.strip() == "401"
