"""What grows with time, and what with a backlog: a worker's memory, the broker's, the wait beside a bulk."""

import re
import time
from itertools import count as counting
from itertools import islice

from bench.client import ask
from bench.corpus import addresses, email, emails
from bench.figures import Figures, Violation, percentile
from bench.ours import Ours
from bench.processes import Running, pss
from bench.scenarios.intake import waits
from bench.stage import Stage
from messages.queues import ACCEPT_TASK, INTAKE_QUEUE

_FIRST, _LAST = 10_000, 200_000
_WAITING = 100_000
_BULK, _LIST = 100_000, 1_000
_SINGLES_SECONDS, _SINGLES_RATE = 20, 5

_DELIVERY_ID = re.compile(rb"dlv_\w{26}")


def memory(stage: Stage, store: str) -> Figures:
    """Of all worker processes together, after the first Messages and after many."""
    first, last = stage.sizes.of(_FIRST), stage.sizes.of(_LAST, least=2_000)
    with Ours(stage, store) as ours, ours.workers() as running:
        rest = emails("memory", last)
        found = []
        for upto in range(first, last + 1, first):
            ours.fill(islice(rest, first))
            ours.until_sent(running, stage.smtp, upto)
            found.append(_memory(running))
        ours.check(stage.smtp, addresses("memory", upto))
    return {"first_mb": found[0] / 1e6, "last_mb": found[-1] / 1e6, "ratio": found[-1] / found[0]}


def backlog(stage: Stage, store: str) -> Figures:
    """Posted over HTTP while no worker runs: what the broker then holds for each."""
    count = stage.sizes.of(_WAITING)
    before = _broker_memory(stage)
    with Ours(stage, store) as ours:
        with ours.intake():
            ask(ours.port, "--post", "backlog", "--count", str(count), patience=60 + count / 50)
        after = _broker_memory(stage)
        known = ours.store.waiting_by_state()["queued"]
    waiting = _waiting_ids(stage)
    if waiting != count or known != count:
        raise Violation(f"{count} were accepted, {known} wait in the store, {waiting} at the broker")
    return {"bytes_each": (after - before) / count}


def fairness(stage: Stage, store: str) -> Figures:
    """A bulk is pushed in lists of a thousand; while it drains, single Messages are posted."""
    bulk = stage.sizes.of(_BULK, least=3 * _LIST)
    with Ours(stage, store) as ours, ours.intake(), ours.workers() as running:
        numbers = counting()
        lists = ([email("bulk", next(numbers)) for _ in range(_LIST)] for _ in range(bulk // _LIST))
        ours.push(ACCEPT_TASK, INTAKE_QUEUE, lists)
        running.until(lambda: stage.smtp.took.count() > 0)
        began = time.monotonic()
        seconds = ("--seconds", str(stage.sizes.seconds(_SINGLES_SECONDS)), "--rate", str(_SINGLES_RATE))
        singles = ask(ours.port, "--post", "single", *seconds)
        posted_until = time.monotonic()
        bulk, alone = bulk // _LIST * _LIST, len(singles.sent)
        ours.until_sent(running, stage.smtp, bulk + alone)
        drained = ours.check(stage.smtp, [*addresses("bulk", bulk), *addresses("single", alone)])[-1]
    found = waits(stage.smtp, singles, "single")
    # Below 1 the bulk was sent before the last single Message was posted.
    beside = min(1.0, (drained - began) / (posted_until - began))
    return {"longest": max(found), "p50": percentile(found, 0.5), "beside": beside}


def _memory(running: Running) -> float:
    return sum(pss(process) for process in running.tree())


def _broker_memory(stage: Stage) -> int:
    return int(stage.broker.info("memory")["used_memory"])


def _waiting_ids(stage: Stage) -> int:
    """How many Deliveries the tasks on all queues name."""
    found: set[bytes] = set()
    for key in stage.broker.scan_iter(_type="list"):
        for entry in stage.broker.lrange(key, 0, -1):
            found.update(_DELIVERY_ID.findall(entry))
    return len(found)
