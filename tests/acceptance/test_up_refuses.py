"""What keeps `roundsman up` from starting is one clear line, exit code 1, and nothing is left running."""

import re
import shutil
import socket

import pytest

PORTS = ("PORT", "SANDBOX_PORT", "SANDBOX_SMTP_PORT", "FLOWER_PORT", "VALKEY_PORT")


def refused(up):
    code, said = up.start().result()
    assert code == 1
    assert "Traceback" not in said
    [line] = said.splitlines()
    assert line.startswith("roundsman: ")
    assert up.processes() == []
    return line


@pytest.mark.parametrize("setting", PORTS)
def test_a_taken_port(ups, setting):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refused(ups.make(**{setting: str(port)}))
    assert f"port {port} (" in line
    assert line.endswith(f"or set {setting} to another port")


def test_a_port_of_another_running_roundsman(ups, running):
    line = refused(ups.make(PORT=str(running.ports["PORT"])))
    assert "is held by a Roundsman that is already running" in line


def test_a_broken_env_file(ups, checkout, tmp_path):
    own = tmp_path / "checkout"
    shutil.copytree(checkout, own)
    (own / ".env").write_text("API_KEYS='s3cret\n")
    line = refused(ups.make(checkout=own))
    assert f"{own}/.env, line 1" in line
    assert "s3cret" not in line


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("WORKER_PROCESSES", "many", "WORKER_PROCESSES is wrong"),
        (
            "DATABASE_URL",
            "postgresql+psycopg://a:s3cret@127.0.0.1:1/x",
            "PostgreSQL at 127.0.0.1:1 cannot be used",
        ),
        ("BROKER_URL", "redis://:s3cret@127.0.0.1:1/0", "the broker at 127.0.0.1:1 cannot be used"),
        ("VAR_DIR", "/dev/null/var", "VAR_DIR /dev/null/var cannot be written to"),
        ("TWILIO_AUTH_TOKEN", "s3cret", "TWILIO_ACCOUNT_SID is not set"),
    ],
)
def test_a_setting_that_leads_nowhere(ups, setting, value, said):
    line = refused(ups.make(**{setting: value}))
    assert said in line
    assert "s3cret" not in line


def test_a_database_that_does_not_exist(ups, postgres_url):
    url = re.sub(r"/\w+\?", "/no_such_database?", postgres_url)
    assert url != postgres_url
    up = ups.make(DATABASE_URL=url)
    code, said = up.start().result()
    assert code == 1
    assert "Traceback" not in said
    assert said.splitlines()[-1].startswith("roundsman: migrate failed: the store is unavailable: ")
    assert 'database "no_such_database" does not exist' in said.splitlines()[-1]
    assert up.processes() == []


def test_a_part_that_cannot_start(ups, checkout, tmp_path):
    own = tmp_path / "checkout"
    shutil.copytree(checkout, own)
    (own / "worker" / "sandbox" / "__main__.py").write_text("raise SystemExit('out of order')\n")
    up = ups.make(checkout=own)
    code, said = up.start().result()
    assert code == 1
    assert "Traceback" not in said
    assert "roundsman: sandbox ended with exit code 1 while starting: out of order" in said.splitlines()[-1]
    assert up.processes() == []
