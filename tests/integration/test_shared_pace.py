"""The pace that worker processes share, on a real Valkey, and without it."""

import asyncio
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import redis

from messages.outgoing import OutgoingEmail, OutgoingSms, RenderedEmail
from messages.pace import PATIENCE, SECOND, Answer, Demand, Line, ask
from messages.settings import PROJECT_ROOT
from messages.sms_rates import SmsRates
from tests.servers.ports import free_port
from tests.servers.processes import Valkey
from worker.held import WORKERS_KEY
from worker.shared_lines import Question, SharedLines, redis_url
from worker.shared_pace import SharedPace

LONG, OTHER = "+18042221111", "+18042222222"
NOWHERE = "redis://127.0.0.1:1/0"


def make(
    url: str, rates: dict[str, float], clock: Callable[[], int] | None = None, **changed: Any
) -> SharedPace:
    given = {"default_sender": None, "processes": 2} | changed
    if clock is not None:
        given["clock"] = lambda: clock() * 1000
    return SharedPace(SharedLines(url), SmsRates(rates), None, **given)


def sms(sender: str | None = LONG, body: str = "Hello", **more: Any) -> OutgoingSms:
    return OutgoingSms("dlv_1", "+18043331111", sender, body, **more)


def on_a_loop(pace: SharedPace, job: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    async def main() -> Any:
        try:
            return await job()
        finally:
            await pace.close()

    return asyncio.run(main())


def at_once(pace: SharedPace, number: int, demand: Demand, *, placed: bool = False) -> list[Answer]:
    async def job() -> list[Answer]:
        return await asyncio.gather(*(pace.ask(demand, placed=placed) for _ in range(number)))

    answers: list[Answer] = on_a_loop(pace, job)
    return answers


def test_the_script_decides_as_the_function_does(broker_url):
    chance, lines, line = random.Random(1), SharedLines(broker_url), Line()
    seen = set()
    for _ in range(400):
        demand = Demand(LONG, chance.choice([0.9, 300, 5000]), chance.randint(1, 4))
        question = Question(demand, chance.random() < 0.5, chance.choice([0, PATIENCE]))
        if chance.random() < 0.05:  # as if it had been quiet for a long time
            redis.Redis.from_url(broker_url).flushall()
            line = Line()
        _, now, go, wait = lines._eval([question])
        line, answer = ask(line, demand.cost, now, placed=question.placed, patience=question.patience)
        assert Answer(bool(go), wait) == answer
        seen.add((answer.go, question.placed))
    lines.close()
    assert len(seen) == 4


def test_what_is_kept_ends_by_itself_and_names_no_sender(broker_url):
    pace = make(broker_url, {LONG: 4})
    at_once(pace, 20, Demand(LONG, 4, 1))
    with redis.Redis.from_url(broker_url) as broker:
        [key] = broker.keys("roundsman.pace.*")
        assert 4000 < broker.pttl(key) <= 6000  # five seconds' worth, and one
        assert LONG[1:] not in key.decode()


CHILD = """
import asyncio, json, sys, time
from messages.outgoing import OutgoingSms
from messages.sms_rates import SmsRates
from tasks.pacing import Passage
from worker.shared_lines import SharedLines
from worker.shared_pace import SharedPace

async def main():
    lines = SharedLines(sys.argv[1])
    pace = SharedPace(lines, SmsRates({"long": 40}), None, default_sender="+1", processes=2)
    demand = pace.demand(OutgoingSms("dlv_1", "+18043331111", "+18042221111", "Hello"))
    async def one():
        passage = Passage(pace, demand, placed=False)
        assert await passage.wait()
        return time.monotonic()
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps([at for _ in range(3) for at in await asyncio.gather(*(one() for _ in range(10)))]))
    await pace.close()

asyncio.run(main())
"""


def test_two_processes_together_keep_to_the_rate_and_use_it(broker_url):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", CHILD, broker_url]
    children = [subprocess.Popen(command, cwd=PROJECT_ROOT, **pipes) for _ in range(2)]
    for child in children:
        assert child.stdout.readline() == "ready\n"
    for child in children:
        child.stdin.write("\n")
        child.stdin.flush()
    each = [json.loads(child.communicate(timeout=20)[0]) for child in children]
    went = sorted(at for one in each for at in one)
    assert len(went) == 60
    # How late a process wakes up is the machine's affair; that none wakes up early is ours.
    for first in range(0, 60, 5):
        for last in range(first + 10, 60, 5):
            assert went[last] - went[first] > (last - first) / 40 - 0.2
    assert 59 / 40 - 0.05 < went[-1] - went[0] < 59 / 40 + 1.5
    assert each[0][0] < each[1][-1]
    assert each[1][0] < each[0][-1]


def test_senders_are_paced_each_by_itself(broker_url):
    pace = make(broker_url, {LONG: 1, OTHER: 1})

    async def job() -> list[Answer]:
        for _ in range(10):
            await pace.ask(Demand(LONG, 1, 1), placed=False)
        return [await pace.ask(Demand(sender, 1, 1), placed=False) for sender in (OTHER, LONG)]

    other, long = on_a_loop(pace, job)
    assert other == Answer(True, 0)
    assert not long.go
    assert 9 * SECOND < long.wait <= 10 * SECOND


def test_without_a_limit_the_broker_is_not_asked():
    pace = make(NOWHERE, {LONG: 1})
    email = OutgoingEmail("dlv_1", "dana@example.com", None, None, RenderedEmail("Hi", "Hi", None))
    assert pace.demand(email) is None
    assert pace.demand(sms(OTHER)) is None
    assert pace.demand(sms(None)) is None
    assert pace._lines._client is None


def test_a_demand_is_in_segments_and_an_mms_is_one():
    pace = make(NOWHERE, {"long": 2}, default_sender=OTHER)
    assert pace.demand(sms(body="x" * 161)) == Demand(LONG, 2, 2)
    assert pace.demand(sms(body="x" * 161, media_urls=("https://x.example/1",))) == Demand(LONG, 2, 1)
    assert pace.demand(sms(None)) == Demand(OTHER, 2, 1)


def test_without_the_broker_a_process_keeps_to_its_share(clock, caplog):
    pace = make(NOWHERE, {LONG: 10}, clock, processes=4)
    answers = at_once(pace, 20, Demand(LONG, 10, 1))
    assert [a.wait for a in answers] == [n * 400_000 for n in range(20)]
    assert [a.go for a in answers] == [n <= 5 for n in range(20)]
    assert caplog.text.count("does not answer") == 1


def test_the_share_is_by_the_workers_that_were_seen_last(tmp_path, clock):
    valkey = Valkey(tmp_path, free_port()).start()
    for name in "abcde":
        valkey.client.hset(WORKERS_KEY, name, 1)
    pace = make(valkey.url, {LONG: 10}, clock)

    async def job() -> list[Answer]:
        first = await pace.ask(Demand(LONG, 10, 1), placed=False)
        valkey.process.end()
        return [first, *[await pace.ask(Demand(LONG, 10, 1), placed=False) for _ in range(3)]]

    # What the broker let through counts: the next is due a tenth of a second later, then by the share.
    assert [a.wait for a in on_a_loop(pace, job)] == [0, 100_000, 600_000, 1_100_000]


def test_a_broker_that_lost_its_data_lets_no_process_go_faster(broker_url, clock):
    pace = make(broker_url, {LONG: 10}, clock)

    async def job() -> list[Answer]:
        answers = []
        for _ in range(8):
            answers.append(await pace.ask(Demand(LONG, 10, 1), placed=False))
            redis.Redis.from_url(broker_url).flushall()
        return answers

    assert [a.wait for a in on_a_loop(pace, job)] == [n * 100_000 for n in range(8)]


def test_a_broker_that_hangs_is_given_up_soon_and_left_alone_for_a_while(tmp_path):
    valkey = Valkey(tmp_path, free_port()).start()
    pace = make(valkey.url, {LONG: 1000})

    async def job() -> list[float]:
        await pace.ask(Demand(LONG, 1000, 1), placed=False)
        valkey.process.send(signal.SIGSTOP)
        times = [time.monotonic()]
        for _ in range(3):
            await pace.ask(Demand(LONG, 1000, 1), placed=False)
            times.append(time.monotonic())
        return times

    began, first, *_, last = on_a_loop(pace, job)
    valkey.process.end()
    assert 0.2 < first - began < 1.5
    assert last - first < 0.2


def test_a_broker_that_is_back_is_asked_again(tmp_path, caplog):
    valkey = Valkey(tmp_path, free_port()).start()
    pace = make(valkey.url, {LONG: 1000})

    async def job() -> None:
        valkey.process.end()
        await pace.ask(Demand(LONG, 1000, 1), placed=False)
        valkey.start()
        async with asyncio.timeout(10):
            while not valkey.client.keys("roundsman.pace.*"):
                await pace.ask(Demand(LONG, 1000, 1), placed=False)
                await asyncio.sleep(0.02)

    on_a_loop(pace, job)
    valkey.process.end()
    assert "answers again" in caplog.text


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("redis://:pw@host:6379/1", "redis://:pw@host:6379/1"),
        ("redis+socket:///run/valkey.sock?virtual_host=1", "unix:///run/valkey.sock?db=1"),
        ("rediss://host/0?ssl_cert_reqs=CERT_NONE", "rediss://host/0?ssl_cert_reqs=none"),
    ],
)
def test_every_url_of_a_broker_is_understood(given, read):
    assert redis_url(given) == read
    redis.Redis.from_url(redis_url(given))
