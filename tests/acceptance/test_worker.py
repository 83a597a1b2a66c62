"""Workers as real processes: `celery -A worker worker`, against a real broker and the sandbox's wires."""

import json
import os
import signal
import subprocess
import sys
import uuid
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from celery import Celery

from intake.app import create_app
from messages.clock import from_iso
from messages.settings import PROJECT_ROOT, load_settings
from messages.states import DeliveryState
from messages.store import Store
from tasks.requests import shown_id
from tests.servers import wait_until
from tests.servers.http import serve
from tests.servers.sandbox import running_sandbox
from worker.sandbox import SANDBOX_ACCOUNT_SID, SANDBOX_AUTH_TOKEN

BOTH = {"externalPhoneNumber": "804-222-1111", "externalEmail": "dana@example.com", "text": "Hello"}

pytestmark = pytest.mark.slow

#: What does not depend on the store is tried on one.
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def sandbox() -> Iterator[Any]:
    with running_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def environment(database_url: str, broker_url: str, sandbox: Any, tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "VAR_DIR": str(tmp_path / "var"),
        "DATABASE_URL": database_url,
        "BROKER_URL": broker_url,
        "SMTP_URL": sandbox.where.smtp_url,
        "TWILIO_BASE_URL": sandbox.where.url,
        "TWILIO_ACCOUNT_SID": SANDBOX_ACCOUNT_SID,
        "TWILIO_AUTH_TOKEN": SANDBOX_AUTH_TOKEN,
        "SENDER_PHONE": "+15005550006",
    }


class Worker:
    """One worker process, and what it logged."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.log = log
        command = [sys.executable, "-m", "celery", "-A", "worker", "worker", "-l", "INFO", "--without-mingle"]
        with log.open("w") as out:
            self.process = subprocess.Popen(
                command, cwd=PROJECT_ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT
            )

    def wait_ready(self) -> None:
        wait_until(lambda: "ready." in self.log.read_text() or self.process.poll() is not None, 30)
        assert self.process.poll() is None, self.log.read_text()

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        self.process.send_signal(signal_number)
        return self.process.wait(20)


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[[], Worker]]:
    """Start a worker process; those that still run at the end are killed."""
    workers: list[Worker] = []

    def start_worker() -> Worker:
        workers.append(Worker(environment, tmp_path / f"worker{len(workers)}.log"))
        workers[-1].wait_ready()
        return workers[-1]

    yield start_worker
    for worker in workers:
        if worker.process.poll() is None:
            worker.process.kill()
            worker.process.wait()


@pytest.fixture
def producer(broker_url: str) -> Iterator[Celery]:
    """A Celery app that knows nothing of Roundsman but names."""
    app = Celery("producer", broker=broker_url, set_as_current=False)
    yield app
    app.close()


def queue_entry(body: str, task: Any = "tasks.accept", content_type: str = "application/json") -> str:
    """A task as Celery's protocol has it, made by hand."""
    task_id = str(uuid.uuid4())
    entry = {
        "body": b64encode(body.encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": content_type,
        "headers": {"lang": "js", "task": task, "id": task_id, "root_id": task_id},
        "properties": {
            "correlation_id": task_id,
            "delivery_tag": task_id,
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": "intake"},
            "body_encoding": "base64",
        },
    }
    return json.dumps(entry)


def held(broker: redis.Redis) -> int:
    """How many entries workers have taken and not acknowledged."""
    return sum(broker.hlen(key) for key in broker.scan_iter("unacked.*", _type="hash"))


def push(app: Celery, argument: Any) -> None:
    app.send_task("tasks.accept", args=[argument], queue="intake")


def all_sent(store: Store, total: int) -> bool:
    return store.page(DeliveryState.SENT, 1, 1).total == total


def test_a_thousand_messages_posted_while_no_worker_runs_are_all_sent_once_one_starts(
    database_url, broker_url, sandbox, store, start
):
    settings = load_settings(database_url=database_url, broker_url=broker_url)
    with serve(create_app(settings)) as url, httpx.Client(base_url=url) as client:

        def post(number: int) -> int:
            only = {"externalEmail": f"dana{number}@example.com", "text": "Hello"}
            return client.post("/api/messages", json=only if number % 10 else BOTH).status_code

        with ThreadPoolExecutor(16) as threads:
            assert set(threads.map(post, range(1000))) == {200}
    worker = start()
    wait_until(lambda: all_sent(store, 1000), 60)
    counts = httpx.get(f"{sandbox.where.url}/sandbox/api/counts").json()
    assert (counts["email"], counts["distinctMessageIds"], counts["sms"]) == (1000, 1000, 100)
    assert worker.stop() == 0
    assert store.waiting_by_state() == {"scheduled": 0, "queued": 0, "sending": 0, "unknown": 0}


@on_sqlite
def test_a_message_whose_queue_entry_was_lost_is_sent_all_the_same(store, accept, clock, start):
    accept(**BOTH)
    start()
    wait_until(lambda: all_sent(store, 1), 20)


@on_sqlite
def test_a_producer_in_any_language_needs_only_a_list_in_redis(store, broker_url, start):
    entry = queue_entry(json.dumps([[BOTH], {}, {"callbacks": None, "errbacks": None, "chain": None}]))
    with redis.Redis.from_url(broker_url) as broker:
        broker.lpush("intake", entry, entry)
    start()
    wait_until(lambda: all_sent(store, 1), 20)


def protocol_1(args: Any, **fields: Any) -> str:
    """A task as the first version of Celery's protocol has it."""
    task = {"task": "tasks.accept", "id": str(uuid.uuid4()), "args": args, "kwargs": {}, **fields}
    entry = json.loads(queue_entry(json.dumps(task)))
    entry["headers"] = {}
    return json.dumps(entry)


PLANTED = '[["planted"], {}, {}]'

MALFORMED = {
    "not JSON": "planted, and no JSON",
    "JSON, but no envelope": '["planted"]',
    "an empty envelope": "{}",
    "an envelope without properties": '{"body": "planted", "headers": {}}',
    "a body that is not base64": queue_entry("[]").replace('"body": "', '"body": "planted%%%'),
    "a body that is not JSON": queue_entry("{planted"),
    "a body that is no task's": queue_entry('"planted"'),
    "an empty body": queue_entry("[]"),
    "null": queue_entry("null"),
    "a pickle": queue_entry("planted", content_type="application/x-python-serialize"),
    "another task": queue_entry('[["planted"], {}, {}]', task="tasks.planted"),
    "a task whose name is no name": queue_entry('[["planted"], {}, {}]', task={"planted": 1}),
    "bad UTF-8": b'{"body": "planted\xff"}',
    "a number of thousands of digits": '{"planted": ' + "9" * 5000 + "}",
    "deep nesting": "[" * 100_000 + "]" * 100_000,
    "a great many values": '{"planted": [' + "{}," * 1_000_001 + "{}]}",
    "a great many values in its body": queue_entry('[[{"planted": [' + "0," * 1_000_001 + "0]}], {}, {}]"),
    "a deeply nested body": queue_entry("[" * 100_000 + "]" * 100_000),
    "a body with a huge number": queue_entry('[[{"planted": ' + "9" * 5000 + "}], {}, {}]"),
    "a bomb": queue_entry(zlib.compress(bytes(1_000_000)).hex()).replace(
        '"lang"', '"compression": "zlib", "lang"'
    ),
    "an eta": queue_entry('[["planted"], {}, {}]').replace('"lang"', '"eta": "2999-01-01T00:00:00", "lang"'),
    "ids that are none": queue_entry('[[["planted\\u0000", 5]], {}, {}]', task="tasks.send_sms"),
    "no ids": queue_entry('[[], {"planted": 1}, {}]', task="tasks.send_email"),
    "too many ids": queue_entry(json.dumps([[["planted"] * 1001], {}, {}]), task="tasks.send_email"),
    "a refusal that is none": queue_entry('[["planted"], {}, {}]', task="tasks.refuse"),
    "headers that are none": queue_entry("[]").replace('"headers": {', '"headers": "planted", "x": {'),
    "expired": queue_entry(PLANTED).replace('"lang"', '"expires": "2001-01-01T00:00:00", "lang"'),
    "an expires that is a number": queue_entry(PLANTED).replace('"lang"', '"expires": 1, "lang"'),
    "an expires that is no time": queue_entry(PLANTED).replace('"lang"', '"expires": "planted", "lang"'),
    "callbacks": queue_entry('[["planted"], {}, {"callbacks": [{"task": "celery.map"}]}]'),
    "no headers and no JSON": json.dumps({**json.loads(queue_entry("not json")), "headers": {}}),
    "base64 cut off": queue_entry(PLANTED).replace('"body": "', '"body": "A'),
    "an unknown body encoding": queue_entry(PLANTED).replace('"base64"', '"planted"'),
    "half a surrogate pair for a body": json.dumps(
        {"body": "\ud800", "headers": {}, "properties": {"delivery_tag": "t"}}
    ),
    "a body that is an object": json.dumps({**json.loads(queue_entry("")), "body": {"planted": 1}}),
    "no id": queue_entry(PLANTED).replace('"id"', '"no-id"'),
    "a value of a type that is not JSON": queue_entry(
        '[[{"planted": {"__type__": "planted", "__value__": 1}}], {}, {}]'
    ),
    **{
        f"the third part {part}": queue_entry(f'[["planted"], {{}}, {part}]')
        for part in ("5", "true", '"x"', "[1]", "[]", "0")
    },
    **{
        f"Celery's own task {name}, protocol {protocol}": made
        for name in (
            "celery.backend_cleanup",
            "celery.chord",
            "celery.group",
            "celery.map",
            "celery.accumulate",
        )
        for protocol, made in ((1, protocol_1(["planted"], task=name)), (2, queue_entry(PLANTED, task=name)))
    },
    "expired, protocol 1": protocol_1(["planted"], expires="2001-01-01T00:00:00+00:00"),
    "an eta, protocol 1": protocol_1(["planted"], eta="2999-01-01T00:00:00"),
    "a chord, protocol 1": protocol_1(["planted"], chord={"task": "planted"}),
    "no id, protocol 1": protocol_1(["planted"], id=None),
    "arguments that are none, protocol 1": protocol_1("planted"),
}


@on_sqlite
def test_malformed_queue_entries_stop_nothing_and_are_kept_as_refused(store, broker_url, start, producer):
    worker = start()
    with redis.Redis.from_url(broker_url) as broker:
        for entry in MALFORMED.values():
            broker.lpush("intake", entry)
            broker.lpush("sms", entry)
    push(producer, BOTH)
    wait_until(lambda: all_sent(store, 1), 20)
    wait_until(lambda: len(store.refused(1000)) == 2 * len(MALFORMED))
    assert worker.stop() == 0
    assert len(store.refused(1000)) == 2 * len(MALFORMED)
    assert "planted" not in worker.log.read_text()
    with redis.Redis.from_url(broker_url) as broker:
        assert (broker.llen("intake"), broker.llen("sms"), broker.keys("unacked*")) == (0, 0, [])


def odd(name: str, value: Any, *, where: str = "headers") -> str:
    """A Message in an entry in which one thing is odd, and means nothing here."""
    body = json.dumps(
        [[{"externalPhoneNumber": "804-222-1111", "text": f"{where} {name} {value}"}], {}, None]
    )
    entry = json.loads(queue_entry(body))
    (entry if where == "entry" else entry[where])[name] = value
    return json.dumps(entry)


ODD_AND_ACCEPTED = [
    *(
        odd(name, value)
        for name in (
            "retries",
            "timelimit",
            "group",
            "root_id",
            "parent_id",
            "stamped_headers",
            "stamps",
            "shadow",
        )
        for value in (5, ["x"], {"x": 1})
    ),
    *(
        odd(name, value, where="properties")
        for name in (
            "delivery_tag",
            "delivery_info",
            "reply_to",
            "correlation_id",
            "priority",
            "delivery_mode",
        )
        for value in (None, ["x"], {"exchange": "elsewhere", "routing_key": "elsewhere"}, float("inf"))
    ),
    odd("content-encoding", "no-such-encoding", where="entry"),
    odd("content-encoding", 5, where="entry"),
    odd("content-type", None, where="entry"),
    odd("expires", "2999-01-01T00:00:00"),
    protocol_1([{**BOTH, "text": "protocol 1"}], expires="2999-01-01T00:00:00+00:00", taskset="planted"),
    queue_entry(
        json.dumps([[{**BOTH, "text": "embed"}], None, {"id": 5, "called_directly": True, "args": 5}])
    ),
]


@on_sqlite
def test_what_an_entry_says_beside_its_message_neither_loses_nor_repeats_it(store, broker_url, start):
    with redis.Redis.from_url(broker_url) as broker:
        broker.lpush("intake", *ODD_AND_ACCEPTED)
        broker.lpush("intake.bulk", *ODD_AND_ACCEPTED)
        broker.lpush("intake\x06\x163", *ODD_AND_ACCEPTED)
        worker = start()
        wait_until(lambda: not broker.keys("intake*") and not held(broker), 20)
    wait_until(lambda: all_sent(store, len(ODD_AND_ACCEPTED)), 20)
    assert worker.stop() == 0
    assert [refused.reason for refused in store.refused(1000)] == []


@on_sqlite
def test_values_of_celerys_types_are_accepted_and_an_instant_without_a_zone_is_not(store, start, producer):
    start()
    at, ref = datetime(2090, 1, 1, tzinfo=UTC), uuid.uuid4()
    typed = {"sendAt": at, "dueOn": at.date(), "price": Decimal("24990.10"), "ref": ref}
    push(
        producer, [BOTH | {"id": "typed"} | typed, BOTH | {"id": "naive", "sendAt": at.replace(tzinfo=None)}]
    )
    push(producer, BOTH | {"id": "nan", "vehicle": {"prices": [float("nan")]}})
    wait_until(lambda: len(store.refused(10)) == 2 and store.find(["typed"]), 20)
    fields = store.find(["typed"])[0].fields
    assert [fields[name] for name in ("dueOn", "price", "ref")] == ["2090-01-01", 24990.1, str(ref)]
    assert from_iso(fields["sendAt"]) == at.timestamp() * 1000
    reasons = {entry.message_id: entry.reason for entry in store.refused(10)}
    assert "holds a datetime without a time zone" in reasons["naive"]
    assert "holds NaN" in reasons["nan"]


@on_sqlite
def test_expired_entry_is_kept_as_refused_and_says_what_to_give_instead(store, start, producer):
    start()
    for seconds in (-1, 0.001):
        producer.send_task("tasks.accept", args=[BOTH | {"id": "late"}], queue="intake", expires=seconds)
    producer.send_task("tasks.accept", args=[BOTH | {"id": "early"}], queue="intake", expires=3600)
    wait_until(lambda: len(store.find_refused("late")) == 2 and store.find(["early"]), 20)
    assert all("expired" in one.reason and "expiresAt" in one.reason for one in store.find_refused("late"))


@on_sqlite
def test_revoked_entry_is_kept_as_refused(store, broker_url, start, producer, environment):
    worker = start()
    task_id, other = str(uuid.uuid4()), "an-id-of-the-producers"
    producer.control.revoke([task_id], reply=True, timeout=5, limit=1)
    producer.control.revoke([other, shown_id(other)], terminate=True, reply=True, timeout=5, limit=1)
    for revoked in (task_id, other):
        producer.send_task("tasks.accept", args=[BOTH | {"id": revoked}], queue="intake", task_id=revoked)
    wait_until(lambda: len(store.refused(10)) == 2, 20)
    assert all("was revoked" in refused.reason for refused in store.refused(10))
    assert worker.stop() == 0


@on_sqlite
def test_malformed_entries_that_come_while_the_store_is_away_are_kept_once_it_is_back(
    environment, sqlite_url, store, start, broker_url, tmp_path
):
    away, there = tmp_path / "roundsman.db", tmp_path / "mounted" / "roundsman.db"
    environment["DATABASE_URL"] = f"sqlite:///{there}"
    worker = start()
    with redis.Redis.from_url(broker_url) as broker:
        for entry in list(MALFORMED.values())[:6]:
            broker.lpush("intake", entry)
        wait_until(lambda: worker.log.read_text().count("Refused a queue entry") == 6)
        wait_until(lambda: broker.llen("intake") + held(broker) == 6)
    store.close()
    mounting = tmp_path / "mounting"
    mounting.mkdir()
    for file in tmp_path.glob("roundsman.db*"):
        file.rename(mounting / file.name)
    mounting.rename(there.parent)  # at once: in an empty folder the worker would make a store of its own
    assert not away.exists()
    back = Store(environment["DATABASE_URL"])
    wait_until(lambda: len(back.refused(100)) == 6)
    assert all("cannot be accepted" in refused.reason for refused in back.refused(100))
    back.close()
    assert worker.stop() == 0
    assert "planted" not in worker.log.read_text()


@on_sqlite
def test_a_worker_under_load_stops_cleanly_and_another_finishes(store, accept, sandbox, start, producer):
    worker = start()
    for _ in range(20):
        push(producer, [{"externalEmail": f"{uuid.uuid4()}@example.com", "text": "Hello"} for _ in range(25)])
    wait_until(lambda: store.page(DeliveryState.SENT, 1, 1).total > 20, 20)
    assert worker.stop() == 0
    assert store.waiting_by_state()["sending"] == 0
    start()
    wait_until(lambda: all_sent(store, 500), 30)
    counts = httpx.get(f"{sandbox.where.url}/sandbox/api/counts").json()
    assert (counts["email"], counts["duplicates"]) == (500, 0)
