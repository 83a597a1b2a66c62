"""`roundsman redrive` and `cancel` as they are typed: real processes, a real store, a real Valkey."""

import json
import os
import pwd
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from messages.clock import system_clock, to_iso
from messages.delivery import Channel, Lease
from messages.settings import PROJECT_ROOT
from messages.states import DeliveryState
from messages.store import Accepted, Result, Store
from tests.stored import shown

SMS = {"externalPhoneNumber": "804-222-1111", "text": "Hello"}
ME = pwd.getpwuid(os.getuid()).pw_name

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(sqlite_url: str, broker_url: str, tmp_path: Path) -> Run:
    """Run `roundsman …`, as somebody whose environment claims to be somebody else."""
    settings = {"DATABASE_URL": sqlite_url, "BROKER_URL": broker_url, "VAR_DIR": str(tmp_path / "var")}
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT_ROOT), "USER": "mallory"} | settings

    def roundsman(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from worker.cli import main; main()", *arguments]
        return subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
        )

    return roundsman


@pytest.fixture
def accept(sqlite_store: Store, make_acceptor: Callable[..., Any]) -> Callable[..., Accepted]:
    acceptor = make_acceptor(sqlite_store)

    def accept_one(**fields: Any) -> Accepted:
        result = acceptor.accept([acceptor.draft(SMS | fields)])[0]
        assert isinstance(result, Accepted), result
        return result

    return accept_one


def end_as(store: Store, accepted: Accepted, state: DeliveryState, now: int) -> None:
    ids = [delivery_id for delivery_id, _ in accepted.waiting]
    claimed = store.claim(ids, Channel.SMS, Lease(now, now + 60_000))[0]
    store.record([Result(claimed.claim, state, "permanent", error="No (21211).")], now)


def test_the_dead_letters_are_listed_and_redriven_in_the_name_of_whoever_asked(
    run, accept, sqlite_store, broker_url
):
    failed, waiting = accept(id="order-1"), accept(id="order-2")
    end_as(sqlite_store, failed, DeliveryState.FAILED, system_clock())
    listed = json.loads(run("list", "--status", "failed", "--json").stdout)
    assert [message["id"] for message in listed["data"]] == ["order-1"]
    done = run("redrive", "order-1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "Queued 1 delivery again.\n", "")
    assert shown(sqlite_store, "order-1")["events"][-1]["detail"] == f"redriven by {ME}"
    assert shown(sqlite_store, waiting.message_id)["status"] == "queued"
    story = [line.split("  ", 2)[-1].strip() for line in run("show", "order-1").stdout.splitlines()]
    assert story[-3:] == ["attempt 1", "permanent: No (21211).", f"redriven by {ME}"]
    with redis.Redis.from_url(broker_url) as broker:
        assert broker.llen("sms") == 1


def test_what_cannot_be_redriven_is_named_and_the_rest_is_done(run, accept, sqlite_store):
    end_as(sqlite_store, accept(id="order-1"), DeliveryState.FAILED, system_clock())
    accept(id="order-2")
    done = run("redrive", "order-1", "order-2", "order-3", "order-1", "--json")
    assert done.returncode == 1
    answer = json.loads(done.stdout)
    assert len(answer["redriven"]) == 1
    assert set(answer["refused"]) == {"order-2", "order-3"}
    assert "roundsman: There is nothing to redrive in order-2: its sms is queued" in done.stderr
    assert "roundsman: No Message has the id 'order-3'" in done.stderr


def test_what_is_unknown_is_redriven_only_with_its_option_and_that_warns(run, accept, sqlite_store):
    end_as(sqlite_store, accept(id="order-1"), DeliveryState.UNKNOWN, system_clock())
    done = run("redrive", "order-1")
    assert done.returncode == 1
    assert "roundsman redrive --unknown" in done.stderr
    done = run("redrive", "order-1", "--unknown")
    said = "Queued 1 delivery again. What was unknown may arrive twice.\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, said, "")
    detail = shown(sqlite_store, "order-1")["events"][-1]["detail"]
    assert detail == f"redriven by {ME}, although it may have been sent"


@pytest.mark.parametrize("as_time", [False, True])
def test_what_failed_since_a_time_or_for_so_long_is_redriven(run, accept, sqlite_store, as_time):
    now = system_clock()
    end_as(sqlite_store, accept(id="old"), DeliveryState.FAILED, now - 3 * 3600_000)
    end_as(sqlite_store, accept(id="new"), DeliveryState.FAILED, now - 3600_000)
    done = run("redrive", "--failed-since", to_iso(now - 2 * 3600_000) if as_time else "2h")
    assert (done.returncode, done.stdout) == (0, "Queued 1 delivery again.\n")
    assert [shown(sqlite_store, i)["status"] for i in ("old", "new")] == ["failed", "queued"]
    assert run("redrive", "--failed-since", "2h").stdout == "Queued 0 deliveries again.\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["redrive"], "give either ids of Messages or --failed-since"),
        (["redrive", "order-1", "--failed-since", "2h"], "give either ids of Messages or --failed-since"),
        (["redrive", "--failed-since", "2h", "--unknown"], "--unknown goes with ids of Messages only"),
        (["redrive", "--failed-since", "lately"], "'lately' is neither a duration like 2h nor a time like"),
        (["redrive", "--failed-since", "2026-05-14T12:00:00"], "is neither a duration"),
    ],
)
def test_a_mistake_is_one_line(run, arguments, said):
    done = run(*arguments)
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.startswith("roundsman: ")
    assert done.stderr.count("\n") == 1


def test_what_waits_is_canceled_in_the_name_of_whoever_asked(run, accept, sqlite_store):
    accept(id="order-1", externalEmail="dana@example.com")
    done = run("cancel", "order-1")
    assert (done.returncode, done.stdout) == (0, "Canceled 2 deliveries.\n")
    message = shown(sqlite_store, "order-1")
    assert (message["status"], message["events"][-1]["detail"]) == ("canceled", f"canceled by {ME}")
    again = run("cancel", "order-1", "--json")
    assert (again.returncode, json.loads(again.stdout)["canceled"]) == (1, [])
    assert "its sms is canceled and its email is canceled; only what is scheduled" in again.stderr
