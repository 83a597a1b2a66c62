"""`python -m bench.profile`: what one e-mail costs while a backlog is drained, and where in the code.

First the costs are taken, then py-spy looks at both workers: for a flame graph at the one, for stacks that
are counted here at the other. To look at other processes takes root on macOS, and on a Linux whose
`kernel.yama.ptrace_scope` is not 0. Threads are told apart on Linux only.
"""

import argparse
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from bench.corpus import addresses, emails
from bench.figures import WARM_UP, Sizes
from bench.ours import Ours
from bench.processes import DidNotHappenError, Running
from bench.stage import Stage, alone_on_stage
from bench.stores import STORES
from messages.settings import PROJECT_ROOT

PICTURE = PROJECT_ROOT / "docs" / "images" / "drain.svg"

_BACKLOG = 40_000
_RATE = "400"  #: samples a second
_TITLE = "A worker drains a backlog of e-mails: what holds Python's lock"
_PY_SPY = str(Path(sys.executable).with_name("py-spy"))

#: Parts of the work by where their code is. A sample is of the innermost part that it is in.
PARTS: Mapping[str, Sequence[str]] = {
    "rendering: three templates, and the CSS inlined": ("messages/rendering/", "tasks/prepare", "jinja2/"),
    "the SMTP dialogue": ("worker/channels/smtp_session", "worker/channels/smtp_transaction"),
    "writing MIME": ("worker/channels/mime", "worker/channels/mailbox", "worker/channels/addresses"),
    "claiming: what waits is read, and taken": ("messages/store/claiming", "messages/store/contents"),
    "marking as begun, recording: one call for all that came meanwhile": ("messages/store/progress",),
    (CELERY := "Celery, and what is taken from the queue"): (
        "celery/", "kombu/", "worker/taking", "worker/entries",
    ),
}  # fmt: skip
REST = "waiting in line, for a connection and for the store: tasks, futures, timers; the rest"

_OURS = ("(tasks/", "(worker/", "(messages/")

#: What each process, or each kind of thread, spent: seconds, or µs for each e-mail.
Costs = Mapping[str, float]


def main() -> None:
    """Measure, draw, and print the tables of docs/where-the-time-goes.md."""
    options = _options()
    alone_on_stage()
    folder = Path(tempfile.mkdtemp(prefix="roundsman-profile-"))
    print(f"Draining {options.store}, in {folder} …", flush=True)
    with Stage(folder, [options.store], Sizes(options.scale)) as stage:
        by_process, by_thread = _drain(stage, options.store)
    _print("", "µs of a core for each e-mail", {name: f"{us:.0f}" for name, us in by_process.items()})
    _print("thread of a worker", "µs", {name: f"{us:.0f}" for name, us in by_thread.items() if us >= 1})
    parts = by_part((folder / "stacks.txt").read_text(encoding="utf-8"), by_thread)
    _print("in these", "µs", {part: f"{us:.0f}" for part, us in parts.items()})
    is_shown = options.scale >= 1 and options.store == "sqlite"
    picture = PICTURE if is_shown else PROJECT_ROOT / "var" / "bench" / "drain.svg"
    picture.parent.mkdir(parents=True, exist_ok=True)
    graph = (folder / "drain.svg").read_text(encoding="utf-8")
    picture.write_text(
        re.sub(r'(?<=<text id="title")([^>]*)>[^<]*', rf"\1>{_TITLE}", graph), encoding="utf-8"
    )
    print(f"\nThe flame graph: {picture.relative_to(PROJECT_ROOT)}")
    shutil.rmtree(folder, ignore_errors=True)


def by_part(stacks: str, by_thread: Costs) -> Costs:
    """What each part of the work costs, the largest first, and the rest.

    `stacks`: lines of `thread (id): name;outermost;…;innermost count`. Samples say what a thread does, not
    how long it runs, so those of each kind are weighed by what its threads spent.
    """
    samples: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        thread, *frames = stack.split(";")
        samples[_kind_of(thread.partition(": ")[2])][_part_of(frames)] += int(count)
    costs: defaultdict[str, float] = defaultdict(float)
    for kind, counts in samples.items():
        for part, number in counts.items():
            costs[part] += by_thread.get(kind, 0) * number / counts.total()
    return dict(sorted(costs.items(), key=lambda cost: -cost[1]))


def _part_of(frames: Sequence[str]) -> str:
    is_ours = False
    for frame in reversed(frames):
        if part := next(
            (p for p, places in PARTS.items() if any(f"({place}" in frame for place in places)), None
        ):
            # A thread of the pool has Celery at its root, whatever it does.
            return REST if part == CELERY and is_ours else part
        is_ours = is_ours or any(own in frame for own in _OURS)
    return REST


def _drain(stage: Stage, store: str) -> tuple[Costs, Costs]:
    """What each process and each kind of thread spent on one e-mail, in µs of a core."""
    with Ours(stage, store) as ours:
        count = ours.fill(emails("profile", stage.sizes.of(_BACKLOG)))
        with ours.workers() as running:
            running.until(lambda: stage.smtp.took.count() > count * WARM_UP)
            first, second = _two(running)
            names = {worker: _thread_names(worker) for worker in (first, second)}
            before = _spent(stage, store), _spent_by_thread(names), stage.smtp.took.count()
            running.until(lambda: stage.smtp.took.count() > count / 2)
            after = _spent(stage, store), _spent_by_thread(names), stage.smtp.took.count()
            spies = [
                _watch(first, "flamegraph", stage.folder / "drain.svg"),
                _watch(second, "raw", stage.folder / "stacks.txt"),
            ]
            ours.until_sent(running, stage.smtp, count)
            for spy in spies:
                _end(spy)
        ours.check(stage.smtp, addresses("profile", count))
    sent = after[2] - before[2]
    return _for_each(before[0], after[0], sent), _for_each(before[1], after[1], sent)


def _for_each(before: Costs, after: Costs, count: int) -> Costs:
    return {name: (seconds - before.get(name, 0)) / count * 1e6 for name, seconds in after.items()}


def _two(running: Running) -> tuple[psutil.Process, psutil.Process]:
    workers = running.tree()[1:]
    if len(workers) != 2:  # noqa: PLR2004 - one for each way to look
        raise DidNotHappenError(f"two workers should run, and there are {len(workers)}")
    return workers[0], workers[1]


def _watch(process: psutil.Process, form: str, target: Path) -> "subprocess.Popen[bytes]":
    options = ("--gil", "--threads", "--rate", _RATE, "--format", form, "--output", str(target))
    command = [_PY_SPY, "record", "--pid", str(process.pid), *options]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 - ours


def _end(spy: "subprocess.Popen[bytes]") -> None:
    """Have it write down what it saw."""
    spy.send_signal(signal.SIGINT)
    if code := spy.wait(60):
        raise DidNotHappenError(f"py-spy ended with {code}; what it said is above")


def _thread_names(process: psutil.Process) -> Mapping[int, str]:
    """By the kernel's ids; those of one kind by one name."""
    command = [_PY_SPY, "dump", "--json", "--pid", str(process.pid)]
    told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)  # noqa: S603 - ours
    return {one["os_thread_id"]: _kind_of(one["thread_name"] or "") for one in told}


def _kind_of(thread: str) -> str:
    """Threads of a pool are of one kind, whatever their numbers."""
    return re.sub(r"[-_\d]+$", "", thread)


def _spent_by_thread(names: Mapping[psutil.Process, Mapping[int, str]]) -> Costs:
    seconds: defaultdict[str, float] = defaultdict(float)
    for process, known in names.items():
        for thread in process.threads():
            seconds[known.get(thread.id, "others")] += thread.user_time + thread.system_time
    return seconds


def _spent(stage: Stage, store: str) -> Costs:
    parts = {"both workers": "worker", "the SMTP server": "smtp", "the broker": "broker"}
    spent = {shown: _seconds(stage.running[name].tree()) for shown, name in parts.items()}
    if server := stage.stores[store].group:
        own = psutil.Process(server)
        spent["PostgreSQL"] = _seconds([own, *own.children(recursive=True)])
    return spent


def _seconds(processes: Iterable[psutil.Process]) -> float:
    total = 0.0
    for process in processes:
        with suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def _print(left: str, right: str, rows: Mapping[str, str]) -> None:
    print(f"\n| {left} | {right} |\n| --- | ---: |")
    for name, value in rows.items():
        print(f"| {name} | {value} |")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("bench.profile", description=__doc__)
    parser.add_argument("--store", choices=[*STORES], default="sqlite")
    parser.add_argument("--scale", type=float, default=1.0, help="of the backlog; below 1 for quick looks")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
