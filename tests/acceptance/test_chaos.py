"""`make chaos-short`: a few hundred Messages, a dozen faults, an audit."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from messages.settings import PROJECT_ROOT
from tests.servers import wait_until

pytestmark = pytest.mark.chaos

#: Seeds whose first dozen faults are of many kinds.
SHORT = {"sqlite": 11, "postgresql": 12}


@contextmanager
def storm(store: str, *options: str) -> "Iterator[subprocess.Popen[str]]":
    command = [sys.executable, "-m", "tests.chaos", "--store", store, "--write", "", "--gap", "0.4"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(Path.home()), "PYTHONPATH": str(PROJECT_ROOT)}
    with subprocess.Popen(
        [*command, "--workers", "2", "--time-out", "1", "--lease", "4", *options],
        cwd=PROJECT_ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        try:
            yield running
        finally:
            running.kill()  # a run that went wrong; its launcher then ends all the others


def of_the_suite(store: str, seed: int) -> list[psutil.Process]:
    """Processes whose environment names the run's folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if f"chaos/{seed}-{store}" in " ".join([*process.cmdline(), *process.environ().values()]):
                found.append(process)
        except psutil.Error:
            continue
    return found


@contextmanager
def under_way(store: str, seed: int) -> "Iterator[subprocess.Popen[str]]":
    """A storm that has begun, and whose processes run."""
    with storm(store, "--seed", str(seed), "--messages", "300", "--faults", "100") as running:
        assert running.stdout
        for line in running.stdout:
            if "faults," in line:
                break
        assert of_the_suite(store, seed)
        yield running


@pytest.mark.parametrize("store", SHORT)
def test_a_dozen_faults_lose_nothing_and_double_no_sms(store):
    options = ("--seed", str(SHORT[store]), "--messages", "300", "--faults", "12")
    with storm(store, *options) as running:
        said, _ = running.communicate(timeout=100)
    assert running.returncode == 0, said
    faults, accepted, lost, doubled = re.search(
        rf"\| {store} \| \d+ \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|", said
    ).groups()
    assert int(faults) >= 12
    assert int(accepted) > 250, said
    assert (lost, doubled) == ("0", "0")


def test_ctrl_c_ends_a_run_and_leaves_no_process():
    with under_way("postgresql", 13) as running:
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=30)
        assert running.returncode == 130
    assert not of_the_suite("postgresql", 13)


def test_a_run_that_is_killed_takes_its_processes_with_it():
    with under_way("postgresql", 14) as running:
        running.kill()
    wait_until(lambda: not of_the_suite("postgresql", 14), 20)
