"""The real `roundsman up`: it starts, says where everything is, mends itself, and leaves nothing behind."""

import json
import os
import signal
import stat
import subprocess
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from worker.up.run import ONE_REQUEST_SECONDS

RUNNING = "Ctrl-C stops everything"


def get(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.status, answer.read()


def eventually(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    return pytest.fail(f"not within {seconds} s")


def test_everything_it_names_answers(running):
    for url in (
        f"{running.api}/readyz",
        f"{running.api}/docs",
        f"{running.sandbox}/sandbox",
        f"{running.flower}/workers",
    ):
        assert get(url)[0] == 200
        assert url.removesuffix("/readyz").removesuffix("/workers") in running.said


def test_the_screen_is_short_and_says_who_is_served(running):
    screen = running.said.partition("Roundsman is running")[2].partition("after the next start.")[0]
    assert len(screen.splitlines()) <= 20
    assert "API_KEYS is not set: only this machine is served." in screen
    assert "SMS       go to the sandbox, not to anyone" in screen
    assert "E-mail    go to the sandbox, not to anyone" in screen


def test_the_pasted_curl_is_delivered_on_both_channels(running):
    [command] = [line for line in running.said.splitlines() if line.startswith("curl ")]
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    posted = json.loads(done.stdout)["data"]["id"]

    def sent():
        message = json.loads(get(f"{running.api}/api/messages/{posted}")[1])["data"]
        return message if message["status"] == "sent" else None

    assert {delivery["channel"] for delivery in eventually(sent)["deliveries"]} == {"sms", "email"}


def test_two_worker_processes_run(running):
    log = (running.folder / "var" / "log" / "worker.log").read_text()
    assert "w1@" in log
    assert "w2@" in log
    assert len(running.processes(r"worker\.up\.workers")) == 3  # and the one that forked them


def test_a_second_start_in_the_same_folder_says_that_one_runs(running, ups):
    second = ups.make(VAR_DIR=running.env["VAR_DIR"]).start()
    code, said = second.result()
    assert code == 1
    assert f"a Roundsman is already running here (process {running.pid}, {running.api})" in said
    assert len(said.splitlines()) == 1
    second.process = None  # what has its VAR_DIR is the other's
    second.env["VAR_DIR"] = ""


def test_the_same_signal_twice_at_once_is_one_request(ups):
    """make passes on what its whole process group has got."""
    up = ups.make().start().wait_until(RUNNING)
    os.kill(up.pid, signal.SIGTERM)
    up.wait_until("Stopping")
    assert up.end(signal.SIGTERM) == 0
    assert "Killing" not in up.said
    assert "Roundsman has stopped." in up.said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_everything_within_ten_seconds(ups, number):
    up = ups.make().start().wait_until(RUNNING)
    assert len(up.processes()) == 9
    assert up.end(number) == 0
    assert up.processes() == []


def test_a_signal_while_it_starts_stops_everything(ups):
    up = ups.make().start().wait_until("ready    broker")
    assert up.end(signal.SIGINT) == 0
    assert up.processes() == []


def test_a_second_signal_hurries_it(ups):
    up = ups.make().start().wait_until(RUNNING)
    [forked, *_] = [p for p in up.processes(r"worker\.up\.workers") if p.ppid() != up.pid]
    forked.suspend()  # one that would not stop by itself
    assert up.process
    up.process.send_signal(signal.SIGINT)
    up.wait_until("Stopping")
    time.sleep(1.2 * ONE_REQUEST_SECONDS)
    began = time.monotonic()
    assert up.end(signal.SIGINT) == 0
    assert time.monotonic() - began < 3
    assert up.processes() == []


@pytest.mark.parametrize(
    ("pattern", "name"),
    [("intake.app:app", "intake"), ("worker.sandbox", "sandbox"), ("valkey-server", "broker")],
)
def test_a_part_that_is_killed_comes_back(running, pattern, name):
    [killed] = running.processes(pattern)
    killed.kill()
    running.wait_until(f"{name} was killed by SIGKILL; starting it again")
    running.wait_until(f"{name} is back")
    assert eventually(lambda: running.processes(pattern))[0].pid != killed.pid
    eventually(lambda: answers(f"{running.api}/readyz"))


def answers(url):
    try:
        return get(url)[0] == 200
    except OSError:
        return False


def test_a_worker_process_that_is_killed_comes_back_alone(running):
    forking, *_ = [p for p in running.processes(r"worker\.up\.workers") if p.ppid() == running.pid]
    before = {child.pid for child in forking.children()}
    killed = min(before)
    psutil.Process(killed).kill()
    running.wait_until_matches(r"\bw[12] was killed by SIGKILL; starting it again in 0\.5 s")
    after = eventually(lambda: len(now := {c.pid for c in forking.children()} - {killed}) == 2 and now)
    assert len(after - before) == 1


def test_when_it_is_killed_its_parts_stop_and_the_next_start_waits_for_that(ups):
    up = ups.make().start().wait_until(RUNNING)
    up.end(signal.SIGKILL)
    assert up.processes("valkey-server") != []
    up.start().wait_until(RUNNING)
    assert "Waiting until what is left of a killed Roundsman has stopped" in up.said
    assert up.end() == 0
    assert up.processes() == []


def test_it_runs_on_postgresql(ups, postgres_url):
    up = ups.make(DATABASE_URL=postgres_url).start().wait_until(RUNNING)
    assert get(f"{up.api}/readyz")[0] == 200
    assert up.end() == 0


def test_everything_in_var_dir_is_its_owners_alone(running):
    var = Path(running.env["VAR_DIR"])
    assert stat.S_IMODE(var.stat().st_mode) == 0o700
    wide = [path for path in var.rglob("*") if path.lstat().st_mode & 0o077 and not path.is_symlink()]
    assert wide == []
    assert any(path.suffix == ".aof" for path in var.rglob("*"))
