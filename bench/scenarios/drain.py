"""A backlog of e-mails is drained: claimed, rendered, sent, recorded. And what the peers do with one."""

import time
from collections.abc import Iterable

from celery import Celery

from bench import audit
from bench.corpus import addresses, emails
from bench.figures import WARM_UP, Figures, rate
from bench.ours import Ours
from bench.processes import Running
from bench.stage import Stage

_BACKLOG = 20_000
_SLOW_BACKLOG = 3_000  #: for the peer that would take minutes

#: Seconds for one message, at the worst, before a run counts as stuck.
_PATIENCE = 0.1


def drain(stage: Stage, store: str) -> Figures:
    """Two worker processes, as `roundsman up` has them."""
    with Ours(stage, store) as ours:
        count = ours.fill(emails("drain", stage.sizes.of(_BACKLOG)))
        with ours.workers() as running:
            end = ours.until_sent(running, stage.smtp, count)
        return {"per_second": rate(ours.check(stage.smtp, addresses("drain", count)), end)}


def empty_task(stage: Stage) -> Figures:
    """The better of prefork with its defaults and threads; `two_processes` of threads is not counted."""
    pools = {
        "prefork": [],
        "threads": ["--pool=threads", "--concurrency=8"],
    }
    figures = {name: _empty_tasks(stage, options, workers=1) for name, options in pools.items()}
    both = _empty_tasks(stage, pools["threads"], workers=2)
    return {**figures, "two_processes": both, "per_second": max(figures.values())}


def task_per_message(stage: Stage) -> Figures:
    """Celery with its defaults, a connection for each e-mail."""
    count = stage.sizes.of(_SLOW_BACKLOG)
    enqueue(stage, "bench.peers.task_per_message.send_email", emails("task", count))
    with celery_worker(stage, "task_per_message") as running:
        running.until(lambda: stage.smtp.took.count() >= count, 60 + count * _PATIENCE)
        end = time.monotonic()
    report = stage.smtp.took.report()
    audit.check("A task a message", report, addresses("task", count))
    return {"per_second": rate(report.times, min(end, report.times[-1]))}


def post_office(stage: Stage, store: str) -> Figures:
    """`send_queued_mail` with two processes, on a database of its own."""
    count = stage.sizes.of(_BACKLOG)
    environment = {
        **stage.peer_environment,
        "DJANGO_SETTINGS_MODULE": "bench.peers.post_office.settings",
        "PEER_DATABASE_URL": stage.stores[store].empty(),
    }
    queue = ("-m", "bench.peers.post_office.queue", "office", str(count))
    lock = str(stage.folder / "post_office.lock")
    for argv in (("-m", "django", "migrate"), queue):
        with stage.run("post_office", *argv, **environment) as running:
            running.wait(60 + count * _PATIENCE)
    send = ("-m", "django", "send_queued_mail", "--processes", "2", "--lockfile", lock)
    with stage.run("post_office", *send, **environment) as running:
        running.wait(60 + count * _PATIENCE)
        end = time.monotonic()
    report = stage.smtp.took.report()
    audit.check(f"post_office on {store}", report, addresses("office", count))
    return {"per_second": rate(report.times, end)}


def celery_worker(stage: Stage, peer: str, *options: str) -> Running:
    """`celery -A bench.peers.… worker`."""
    argv = ("-m", "celery", "-A", f"bench.peers.{peer}", "worker", *options)
    return stage.run(peer, *argv, **stage.peer_environment)


def _empty_tasks(stage: Stage, options: list[str], workers: int) -> float:
    stage.clear()
    count = stage.sizes.of(_BACKLOG)
    enqueue(stage, "bench.peers.empty_task.nothing", (f"message-{number}" for number in range(count)))
    named = [[*options, "-n", f"w{number}@%h"] for number in range(workers)]
    running = [celery_worker(stage, "empty_task", *one) for one in named]
    try:
        running[0].until(lambda: _waiting(stage) <= count * (1 - WARM_UP), every=0.005)
        began, left = time.monotonic(), _waiting(stage)
        running[0].until(lambda: not _waiting(stage), 60 + count * _PATIENCE, every=0.005)
        return left / (time.monotonic() - began)
    finally:
        for one in running:
            one.stop()


def _waiting(stage: Stage) -> int:
    return int(stage.broker.llen("celery"))


def enqueue(stage: Stage, task: str, arguments: Iterable[object]) -> None:
    """Put a task for each argument on Celery's default queue."""
    with Celery("bench", broker=stage.broker_url, set_as_current=False) as app:
        producer = app.amqp.Producer(app.connection_for_write())
        for argument in arguments:
            app.send_task(task, args=[argument], producer=producer)
