"""What `roundsman up` looks at before it starts anything: each finding is one line, without a secret."""

import fcntl
import io
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from messages.settings import Settings
from tests.servers.ports import free_port
from worker.up import checks, ready
from worker.up.holder import Holder, holder_of
from worker.up.lock import Lock
from worker.up.screen import Screen, curl, show_running
from worker.up.service import Port, Service, Stage, StartError
from worker.up.services import providers, services

PORTS = ("PORT", "SANDBOX_PORT", "SANDBOX_SMTP_PORT", "FLOWER_PORT", "VALKEY_PORT")
#: What is set for a worker where Twilio is the sandbox.
SANDBOXED_TWILIO = {
    "TWILIO_BASE_URL",
    "TWILIO_ACCOUNT_SID",
    "TWILIO_AUTH_TOKEN",
    "SENDER_PHONE",
    "PUBLIC_URL",
}


def settings(tmp_path, **given):
    return Settings(_env_file=None, **{"var_dir": tmp_path, **given})


def said(check, *arguments):
    with pytest.raises(StartError) as caught:
        check(*arguments)
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.fixture
def taken():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("setting", PORTS)
def test_a_taken_port_is_named_with_its_service_its_holder_and_its_setting(tmp_path, taken, setting):
    ports = {name.lower(): free_port() for name in PORTS} | {setting.lower(): taken}
    wanted = settings(tmp_path, **ports)
    text = said(checks.check_ports, services(wanted, providers(wanted)))
    assert text.startswith(f"port {taken} (")
    assert f"taken by process {os.getpid()} (" in text
    assert text.endswith(f"stop it, or set {setting} to another port")


def test_every_port_that_is_listened_on_is_checked(tmp_path):
    wanted = settings(tmp_path)
    ports = {port.setting for service in services(wanted, providers(wanted)) for port in service.ports}
    assert ports == set(PORTS)


def test_a_port_held_by_a_roundsman_is_recognised(tmp_path):
    port = free_port()
    listens = f"import socket, time; s = socket.create_server(('127.0.0.1', {port}))"
    script = f"{listens}; print(flush=True); time.sleep(60)"
    command = [sys.executable, "-c", script, "intake.app:app"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        wanted = settings(tmp_path, port=port)
        text = said(checks.check_ports, [intake(wanted)])
        other.kill()
    assert f"is held by a Roundsman that is already running, process {other.pid}" in text


def intake(wanted):
    [found] = [s for s in services(wanted, providers(wanted)) if s.name == "intake"]
    return found


def test_two_settings_with_the_same_port_are_both_named(tmp_path):
    port = free_port()
    wanted = settings(tmp_path, port=port, flower_port=port, sandbox_port=free_port())
    text = said(checks.check_ports, services(wanted, providers(wanted)))
    assert text == f"PORT and FLOWER_PORT are both {port}: give each a port of its own"


def test_an_address_that_is_not_this_machines_is_said_to_be_so():
    port = Port("PORT", "192.0.2.1", free_port())
    service = Service("intake", ("true",), ready=ready.ends, stage=Stage.DOOR, ports=(port,))
    assert "HOST" in said(checks.check_ports, [service])


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").touch()
    text = said(checks.check_folder, tmp_path / "file" / "var")
    assert text.startswith(f"VAR_DIR {tmp_path}/file/var cannot be written to (Not a directory)")


def test_an_unreachable_postgresql_is_named_without_its_password(tmp_path):
    port = free_port()
    url = f"postgresql+psycopg://ann:s3cret@127.0.0.1:{port}/roundsman"
    text = said(checks.check_database, settings(tmp_path, database_url=url))
    assert f"DATABASE_URL: PostgreSQL at 127.0.0.1:{port} cannot be used: Connection refused" in text
    assert "s3cret" not in text


def test_a_database_url_that_cannot_be_read_does_not_show_its_password(tmp_path):
    url = "postgresql+psycopg://ann:s3cret/x@127.0.0.1/roundsman"
    text = said(checks.check_database, settings(tmp_path, database_url=url))
    assert text.startswith("DATABASE_URL is wrong")
    assert "s3cret" not in text


def test_a_sqlite_file_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").touch()
    url = f"sqlite:///{tmp_path}/file/roundsman.db"
    text = said(checks.check_database, settings(tmp_path, database_url=url))
    assert text.startswith(f"DATABASE_URL: {tmp_path}/file/roundsman.db cannot be written to")


def test_an_unreachable_broker_is_named_without_its_password():
    port = free_port()
    text = said(checks.check_broker, f"redis://:s3cret@127.0.0.1:{port}/0")
    assert text == f"BROKER_URL: the broker at 127.0.0.1:{port} cannot be used: Connection refused."


def test_a_broker_that_accepts_and_never_answers_is_said_to_be_silent(taken):
    assert "no answer within 0.2 s" in said(checks.check_broker, f"redis://127.0.0.1:{taken}/0", 0.2)


@pytest.mark.parametrize("url", ["redis://:s3cret/x@host/0", "redis+socket:///nowhere/s3cret.sock"])
def test_no_broker_url_makes_it_fail_with_more_than_a_line(url):
    text = said(checks.check_broker, url)
    assert text.startswith("BROKER_URL")
    assert "s3cret/x" not in text


def test_two_starts_in_one_folder_the_second_says_who_runs(tmp_path):
    with Lock(tmp_path, "http://127.0.0.1:8000", Screen(io.StringIO())):
        text = said(Lock(tmp_path, "http://127.0.0.1:8000", Screen(io.StringIO())).__enter__)
    assert text.startswith(
        f"a Roundsman is already running here (process {os.getpid()}, http://127.0.0.1:8000): stop it first"
    )


def test_a_lock_is_free_again_after_its_end(tmp_path):
    for _ in range(2):
        with Lock(tmp_path, "http://127.0.0.1:8000", Screen(io.StringIO())) as lock:
            assert lock.inheritable > 0


def test_a_start_waits_for_what_a_killed_roundsman_left_behind(tmp_path):
    # A guard that ends after a while: it holds the lock it inherited until then.
    with (tmp_path / "guard.lock").open("w") as inherited:
        fcntl.flock(inherited, fcntl.LOCK_EX)
        script = "import time; time.sleep(0.5)"
        guard = subprocess.Popen([sys.executable, "-c", script], pass_fds=(inherited.fileno(),))
    screen = io.StringIO()
    with guard, Lock(tmp_path, "http://127.0.0.1:8000", Screen(screen)):
        assert guard.wait(5) == 0
    assert "Waiting until what is left of a killed Roundsman has stopped" in screen.getvalue()


def test_the_holder_of_a_port_is_found(taken):
    holder = holder_of(taken)
    assert holder is not None
    assert holder.pid == os.getpid()


def test_nobody_holds_a_free_port():
    assert holder_of(free_port()) is None


@pytest.mark.parametrize(
    ("command", "ours"),
    [
        ("python -m uvicorn intake.app:app --port 8000", True),
        ("python -m celery -A worker flower", True),
        ("python -m worker.sandbox", True),
        ("nginx: master process", False),
    ],
)
def test_our_own_services_are_told_by_their_command_lines(command, ours):
    assert Holder(1, command).is_roundsman is ours


@pytest.mark.parametrize(
    ("given", "sandboxed"),
    [
        ({}, {"SMTP_URL", *SANDBOXED_TWILIO, "DEALERSHIP_NAME", "TEMPLATES_RELOAD"}),
        ({"dealership_name": "Carter's"}, {"SMTP_URL", *SANDBOXED_TWILIO, "TEMPLATES_RELOAD"}),
        ({"templates_reload": False}, {"SMTP_URL", *SANDBOXED_TWILIO, "DEALERSHIP_NAME"}),
        ({"smtp_url": "smtp://mail.example"}, SANDBOXED_TWILIO),
        ({"twilio_account_sid": "AC1", "twilio_auth_token": "t"}, {"SMTP_URL"}),
        (
            {"twilio_account_sid": "AC1", "twilio_auth_token": "t", "smtp_url": "smtp://mail.example"},
            set(),
        ),
    ],
)
def test_each_provider_that_is_not_set_is_replaced_by_the_sandbox(tmp_path, given, sandboxed):
    wanted = settings(tmp_path, **given)
    table = {service.name: service for service in services(wanted, providers(wanted))}
    always = {"VAR_DIR", "BROKER_URL", "SHUTDOWN_SECONDS", "MALLOC_ARENA_MAX"}
    assert set(table["worker"].env) - always == sandboxed
    assert ("sandbox" in table) == bool(sandboxed)


def test_half_of_twilios_credentials_is_an_error(tmp_path):
    text = said(providers, settings(tmp_path, twilio_account_sid="AC1"))
    assert text.startswith("TWILIO_AUTH_TOKEN is not set")


def test_with_a_broker_of_its_own_none_is_embedded(tmp_path):
    wanted = settings(tmp_path, broker_url="redis://127.0.0.1:6379/3")
    names = [service.name for service in services(wanted, providers(wanted))]
    assert names == ["migrate", "sandbox", "intake", "worker", "flower"]


def shown(wanted):
    stream = io.StringIO()
    show_running(Screen(stream), wanted, providers(wanted), 0)
    return stream.getvalue()


def test_the_screen_says_which_provider_is_real(tmp_path):
    text = shown(settings(tmp_path, smtp_url="smtp://ann:s3cret@mail.example", port=8001))
    assert "http://127.0.0.1:8001/docs" in text
    assert "E-mail    are sent FOR REAL, by SMTP_URL" in text
    assert "SMS       go to the sandbox" in text
    assert "API_KEYS is not set: only this machine is served." in text
    assert "s3cret" not in text


def test_the_screen_asks_for_a_key_where_one_is_needed(tmp_path):
    text = shown(settings(tmp_path, api_keys="a-long-random-key,another-long-random-key"))
    assert "Authorization: Bearer YOUR_API_KEY" in text
    assert "k1" not in text
    assert "API_KEYS" not in text


def test_the_curl_to_paste_survives_a_shell(tmp_path):
    fake = tmp_path / "curl"
    fake.write_text('#!/bin/sh\nfor argument; do printf "%s\\n" "$argument"; done\n')
    fake.chmod(0o755)
    command = curl("http://127.0.0.1:8000/api/messages", with_key=True)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    out = subprocess.run(
        ["/bin/sh", "-c", command], env=env, capture_output=True, text=True, check=True
    ).stdout
    assert '"templateType": "vehicle-enquiry"' in out
    assert "Authorization: Bearer YOUR_API_KEY" in out.splitlines()


def test_a_screen_whose_reader_is_gone_says_nothing_and_does_not_fail():
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        Screen(stream).say("anyone?")
        os.dup2(os.open(Path(os.devnull), os.O_WRONLY), writing)  # so that closing it can flush


def test_of_several_postgresql_servers_one_has_to_answer(tmp_path):
    dead = free_port()
    with socket.create_server(("127.0.0.1", 0)) as server:
        alive = server.getsockname()[1]
        for hosts in (
            f"127.0.0.1:{dead},127.0.0.1:{alive}/x",
            f"/x?host=127.0.0.1,127.0.0.1&port={dead},{alive}",
        ):
            checks.check_database(Settings(database_url=f"postgresql+psycopg://ann:s3cret@{hosts}"))
    url = f"postgresql+psycopg://ann:s3cret@127.0.0.1:{dead},127.0.0.1:{dead}/x"
    with pytest.raises(StartError, match="Connection refused") as raised:
        checks.check_database(Settings(database_url=url))
    assert "s3cret" not in str(raised.value)
