"""What processes do about the store when they start, and how intake ends."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from messages.settings import PROJECT_ROOT
from messages.store.migrating import migrate
from messages.store.revision import needed_revision
from tests.servers import wait_until
from tests.servers.ports import free_port

ROUNDSMAN = str(Path(sys.executable).parent / "roundsman")
UVICORN = [sys.executable, "-m", "uvicorn", "intake.app:app", "--port", "{port}"]
CELERY = [sys.executable, "-m", "celery", "-A", "worker", "worker"]
COMMANDS = {
    "uvicorn": UVICORN,
    "intake": [ROUNDSMAN, "intake"],
    "celery": CELERY,
    "list": [ROUNDSMAN, "list"],
}


class Started:
    def __init__(self, name, folder, database_url, broker_url="redis://127.0.0.1:1/0"):
        self.port = free_port()
        self.log = folder / "log"
        environment = {
            "PATH": os.environ["PATH"],
            "VAR_DIR": str(folder / "var"),
            "PORT": str(self.port),
            "DATABASE_URL": database_url,
            "BROKER_URL": broker_url,
        }
        command = [word.format(port=self.port) for word in COMMANDS[name]]
        with self.log.open("w") as out:
            self.process = subprocess.Popen(
                command, cwd=PROJECT_ROOT, env=environment, stdout=out, stderr=out
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    @property
    def said(self):
        return self.log.read_text()

    def answers(self):
        assert self.process.poll() is None, self.said
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/healthz").status_code == 200
        except httpx.TransportError:
            return False


@pytest.mark.parametrize("name", ["uvicorn", "celery", "list"])
def test_older_store_ends_the_start_with_one_line(name, tmp_path):
    path = tmp_path / "older.db"
    migrate(f"sqlite:///{path}")
    set_revision(f"sqlite:///{path}", "0000")
    with Started(name, tmp_path, f"sqlite:///{path}") as started:
        assert started.process.wait(60) != 0
        lines = [line for line in started.said.splitlines() if "roundsman migrate" in line]
        assert len(lines) == 1
        assert f"the store at {path} has schema revision 0000; this version needs revision " in lines[0]
        assert lines[0].endswith(f"{needed_revision()}: run roundsman migrate")
        assert "Traceback" not in started.said


def test_store_without_a_schema_ends_the_start(tmp_path, empty_postgres_url):
    with Started("uvicorn", tmp_path, empty_postgres_url) as started:
        assert started.process.wait(60) != 0
        assert "has no schema; this version needs revision" in started.said
        assert "Traceback" not in started.said


@pytest.mark.parametrize(("name", "stop"), [("uvicorn", signal.SIGTERM), ("intake", signal.SIGINT)])
def test_intake_on_a_newer_store_starts_and_ends_with_0_when_it_is_told_to(
    name, stop, tmp_path, sqlite_url, broker_url
):
    set_revision(sqlite_url, "9999")
    with Started(name, tmp_path, sqlite_url, broker_url) as started:
        wait_until(started.answers, 60)
        message = {"externalEmail": "dana@example.com", "text": "Hello"}
        assert httpx.post(f"http://127.0.0.1:{started.port}/api/messages", json=message).status_code == 200
        started.process.send_signal(stop)
        assert started.process.wait(20) == 0
        assert "Traceback" not in started.said


def test_store_that_is_away_does_not_keep_intake_from_starting(tmp_path, broker_url):
    away = "postgresql+psycopg://u:a-secret@127.0.0.1:1/x"
    with Started("uvicorn", tmp_path, away, broker_url) as started:
        wait_until(started.answers, 60)
        url = f"http://127.0.0.1:{started.port}"
        message = {"externalEmail": "dana@example.com", "text": "Hello"}
        for _ in range(3):
            assert httpx.post(f"{url}/api/messages", json=message).status_code == 503
        ready = httpx.get(f"{url}/readyz")
        assert ready.status_code == 503
        assert "Connection refused" in ready.json()["error"]["fields"]["store"]
        scraped = httpx.get(f"{url}/metrics")
        assert scraped.status_code == 200
        assert "roundsman_http_answers_total" in scraped.text
        for gauge in ("roundsman_deliveries", "roundsman_circuit_open", "roundsman_waiting_for_rate"):
            assert gauge not in scraped.text
        assert started.said.count("Connection refused") == 1
        assert "Traceback" not in started.said
        assert "a-secret" not in started.said + ready.text


def set_revision(url, revision):
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", [revision])
    connection.close()
