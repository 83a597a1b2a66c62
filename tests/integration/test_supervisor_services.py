"""Services are started in order, watched, started again and stopped. Real processes, trivial ones."""

import asyncio
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from worker.up import ready
from worker.up.child import Child
from worker.up.process import Guard
from worker.up.screen import Screen
from worker.up.service import Service, Stage, StartError
from worker.up.supervisor import Supervisor

ROOT = Path(__file__).parents[2]
STEADY = "import sys, time; print('up', flush=True); time.sleep(600)"
#: Writes its name into a file when it is asked to stop.
POLITE = """
import signal, sys, time
def leave(*_):
    open(sys.argv[2], 'a').write(sys.argv[1] + '\\n')
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print('up', flush=True)
time.sleep(600)
"""
#: Ignores SIGTERM and so does the process it starts; prints both process ids.
STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if child:
    print('pids', os.getpid(), child, flush=True)
    print('up', flush=True)
time.sleep(600)
"""


async def is_up(watched):
    await watched.printed("^up$")


def service(name: str, script: str, *arguments: str, **others) -> Service:
    given = {"ready": is_up, "stage": Stage.WORK, **others}
    return Service(name=name, argv=(sys.executable, "-c", script, *arguments), **given)


class Stand:
    """A supervisor over `services`, and what it said."""

    def __init__(self, supervisor: Supervisor, said: io.StringIO, logs: Path) -> None:
        self.supervisor, self._said, self.logs = supervisor, said, logs

    @property
    def said(self) -> str:
        return self._said.getvalue()

    def child(self, name: str) -> Child:
        return self.supervisor._children[name]

    def pid(self, name: str) -> int:
        running = self.child(name)._running
        assert running is not None
        return running.pid


@asynccontextmanager
async def stand(logs: Path, services: Sequence[Service]):
    said = io.StringIO()
    reading, writing = os.pipe()
    guard = await Guard.start(reading)
    supervisor = Supervisor(services, logs=logs, screen=Screen(said), guard=guard)
    try:
        yield Stand(supervisor, said, logs)
    finally:
        await supervisor.stop()
        await guard.dismiss()
        os.close(reading)
        os.close(writing)


async def eventually(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"not within {seconds} s")


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def run(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(story())  # type: ignore[arg-type]


def test_a_service_starts_only_after_those_it_needs(tmp_path):
    async def story():
        slow = "import time; time.sleep(0.3); print('up', flush=True); time.sleep(600)"
        needs = [service("second", STEADY, after=("first",)), service("first", slow)]
        async with stand(tmp_path, needs) as it:
            await it.supervisor.start()
            assert it.said.index("first") < it.said.index("second")

    run(story)


def test_services_stop_stage_by_stage_and_nothing_is_left(tmp_path):
    order = tmp_path / "order"

    async def story():
        stages = [Stage.BROKER, Stage.WORK, Stage.DOOR, Stage.PROVIDERS]
        polite = [service(s.name, POLITE, s.name, str(order), stage=s) for s in stages]
        async with stand(tmp_path, polite) as it:
            await it.supervisor.start()
            pids = [it.pid(s.name) for s in stages]
        assert all(gone(pid) for pid in pids)

    run(story)
    assert order.read_text().split() == ["DOOR", "WORK", "PROVIDERS", "BROKER"]


def test_a_killed_service_is_started_again_and_that_is_said(tmp_path):
    async def story():
        async with stand(tmp_path, [service("steady", STEADY)]) as it:
            await it.supervisor.start()
            before = it.pid("steady")
            os.kill(before, signal.SIGKILL)
            await eventually(lambda: "steady is back" in it.said)
            assert it.pid("steady") != before
            assert "steady was killed by SIGKILL; starting it again in 0.5 s" in it.said

    run(story)


def test_a_service_that_keeps_failing_shows_its_last_lines(tmp_path):
    fails = tmp_path / "fails"
    script = f"""
import pathlib, sys, time
if pathlib.Path({str(fails)!r}).exists():
    sys.exit("the disk is full")
print('up', flush=True)
time.sleep(600)
"""

    async def story():
        async with stand(tmp_path, [service("weak", script)]) as it:
            await it.supervisor.start()
            fails.touch()
            os.kill(it.pid("weak"), signal.SIGTERM)
            await eventually(lambda: "the disk is full" in it.said)
            assert "weak ended with exit code 1, 3 times in a row; starting it again in 2 s" in it.said
            fails.unlink()
            await eventually(lambda: "weak is back" in it.said)

    run(story)


def test_a_service_that_ignores_sigterm_is_killed_with_everything_it_started(tmp_path):
    async def story():
        async with stand(tmp_path, [service("stubborn", STUBBORN, stage=Stage.PROVIDERS)]) as it:
            await it.supervisor.start()
            printed = (tmp_path / "stubborn.log").read_text().splitlines()[0].split()
            began = time.monotonic()
            await it.supervisor.stop()
            assert time.monotonic() - began < 5
            # What is killed is gone only once the kernel has taken it apart.
            await eventually(lambda: all(gone(int(pid)) for pid in printed[1:]))
            assert "stubborn did not stop within 1 s; killing it" in it.said

    run(story)


def test_what_a_dead_service_left_behind_is_killed_before_it_starts_again(tmp_path):
    async def story():
        async with stand(tmp_path, [service("parent", STUBBORN, stage=Stage.PROVIDERS)]) as it:
            await it.supervisor.start()
            _, parent, orphan = (tmp_path / "parent.log").read_text().splitlines()[0].split()
            os.kill(int(parent), signal.SIGKILL)
            await eventually(lambda: "parent is back" in it.said)
            await eventually(lambda: gone(int(orphan)))

    run(story)


def test_a_service_that_ends_while_starting_stops_the_start_in_one_line(tmp_path):
    async def story():
        broken = service("broken", "raise SystemExit('no such table: messages')")
        async with stand(tmp_path, [service("steady", STEADY), broken]) as it:
            with pytest.raises(StartError) as caught:
                await it.supervisor.start()
        assert "broken ended with exit code 1 while starting: no such table: messages" in str(caught.value)
        assert "\n" not in str(caught.value)

    run(story)


def test_a_service_that_runs_once_is_ready_when_it_has_ended_well(tmp_path):
    async def story():
        once = service("once", "print('done')", ready=ready.ends, once=True)
        async with stand(tmp_path, [once, service("after", STEADY, after=("once",))]) as it:
            await it.supervisor.start()
            assert "after" in it.said

    run(story)


def test_warnings_and_errors_reach_the_terminal_and_all_lines_the_log(tmp_path):
    script = """
import time
print('[2026-01-31 12:00:00,000: INFO/MainProcess] hum')
print('[2026-01-31 12:00:00,000: WARNING/MainProcess] broker lost')
try:
    1 / 0
except ZeroDivisionError:
    import traceback; traceback.print_exc()
print('up', flush=True)
time.sleep(600)
"""

    async def story():
        async with stand(tmp_path, [service("talker", script)]) as it:
            await it.supervisor.start()
            assert "talker | broker lost" in it.said
            assert "talker | ZeroDivisionError: division by zero" in it.said
            assert "hum" not in it.said
            assert "Traceback" not in it.said
        assert {"hum", "broker lost", "Traceback"} <= {
            word
            for word in ("hum", "broker lost", "Traceback")
            if word in (tmp_path / "talker.log").read_text()
        }

    run(story)


def test_the_log_of_the_start_before_is_kept_once(tmp_path):
    async def story(text):
        async with stand(tmp_path, [service("s", f"print({text!r}); {STEADY}")]) as it:
            await it.supervisor.start()

    for text in ("one", "two", "three"):
        asyncio.run(story(text))
    assert "three" in (tmp_path / "s.log").read_text()
    assert "two" in (tmp_path / "s.log.1").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.log", "s.log.1"]


def test_when_the_supervisor_is_killed_its_services_are_stopped_in_order(tmp_path):
    order, pids = tmp_path / "order", tmp_path / "pids"
    program = f"""
import asyncio, os, pathlib, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_supervisor_services import POLITE, Stage, service, stand

async def main():
    work = service('work', POLITE, 'work', {str(order)!r})
    broker = service('broker', POLITE, 'broker', {str(order)!r}, stage=Stage.BROKER)
    async with stand(pathlib.Path({str(tmp_path)!r}), [work, broker]) as it:
        await it.supervisor.start()
        pathlib.Path({str(pids)!r}).write_text(f"{{it.pid('work')}} {{it.pid('broker')}}")
        await asyncio.sleep(600)

asyncio.run(main())
"""
    # Not ours to reap, so that it is gone for good when it is gone.
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT) as up:

        async def story():
            await eventually(lambda: pids.exists() and len(pids.read_text().split()) == 2, 20)
            up.kill()
            await eventually(lambda: all(gone(int(pid)) for pid in pids.read_text().split()), 15)

        run(story)
    assert order.read_text().split() == ["work", "broker"]
