"""Producers post over 64 kept connections; and how long a Message takes from its POST to the SMTP server."""

from collections.abc import Iterator
from contextlib import contextmanager

from bench import audit
from bench.client import Answers, ask
from bench.corpus import address, addresses
from bench.figures import WARM_UP, Figures, Violation, percentile
from bench.ours import WIRE, Ours
from bench.processes import LOOPBACK, Running, free_port, listens
from bench.scenarios.drain import celery_worker
from bench.stage import Provider, Stage

_SECONDS = 10
_LATENCY_SECONDS = 8
_RATE = 100  #: a second, while latency is measured


def intake(stage: Stage, store: str) -> Figures:
    """Durable accepts a second, by one process."""
    with Ours(stage, store) as ours, ours.intake():
        answers = ask(ours.port, "--post", "intake", "--seconds", str(stage.sizes.seconds(_SECONDS)))
        kept = ours.store.page(None, 1, 1).total
        if kept != len(answers.sent):
            raise Violation(f"{len(answers.sent)} were answered with 200, {kept} are in the store")
    return {"per_second": answers.per_second, "client_busy": answers.busy}


def delay_endpoint(stage: Stage) -> Figures:
    """FastAPI and `task.delay()`."""
    return _endpoint(stage, "delay_endpoint")


def validating_endpoint(stage: Stage) -> Figures:
    """Our own endpoint, without store and queue."""
    return _endpoint(stage, "validating_endpoint", "--http", WIRE)


def latency(stage: Stage, store: str) -> Figures:
    """From the POST until the SMTP server has it: intake, and two workers."""
    with Ours(stage, store) as ours, ours.intake(), ours.workers() as running:
        _warm_up(stage, ours.port, running)
        answers = _at_rate(stage, ours.port)
        ours.until_sent(running, stage.smtp, len(answers.sent))
        ours.check(stage.smtp, addresses("latency", len(answers.sent)), also=1)
        return _waits(stage.smtp, answers, "latency")


def peer_latency(stage: Stage) -> Figures:
    """Likewise: FastAPI, `task.delay()`, and a task and a connection for each e-mail."""
    with _serve(stage, "delay_endpoint") as port, celery_worker(stage, "task_per_message") as running:
        _warm_up(stage, port, running)
        answers = _at_rate(stage, port)
        running.until(lambda: stage.smtp.took.count() >= len(answers.sent))
        audit.check("A task a message", stage.smtp.took.report(), addresses("latency", len(answers.sent)))
        return _waits(stage.smtp, answers, "latency")


def waits(provider: Provider, answers: Answers, name: str) -> list[float]:
    """Seconds from when each POST was due until the provider had its e-mail."""
    report = provider.took.report()
    arrived = dict(zip(report.recipients, report.times, strict=True))
    counted = answers.sent[int(len(answers.sent) * WARM_UP) :]
    return [arrived[address(name, number)] - since for number, since, _ in counted]


def _waits(provider: Provider, answers: Answers, name: str) -> Figures:
    found = waits(provider, answers, name)
    return {"p50": percentile(found, 0.5), "p99": percentile(found, 0.99)}


def _warm_up(stage: Stage, port: int, workers: Running) -> None:
    """One goes all the way; then the workers are there."""
    ask(port, "--post", "first", "--count", "1", connections=1)
    workers.until(lambda: stage.smtp.took.count() > 0)
    stage.smtp.took.reset()


def _at_rate(stage: Stage, port: int) -> Answers:
    seconds = stage.sizes.seconds(_LATENCY_SECONDS)
    return ask(port, "--post", "latency", "--seconds", str(seconds), "--rate", str(_RATE))


def _endpoint(stage: Stage, peer: str, *options: str) -> Figures:
    with _serve(stage, peer, *options) as port:
        answers = ask(port, "--post", "intake", "--seconds", str(stage.sizes.seconds(_SECONDS)))
    return {"per_second": answers.per_second, "client_busy": answers.busy}


@contextmanager
def _serve(stage: Stage, peer: str, *options: str) -> Iterator[int]:
    port = free_port()
    argv = ("-m", "uvicorn", f"bench.peers.{peer}:app", "--host", LOOPBACK, "--port", str(port))
    with stage.run(peer, *argv, "--no-access-log", *options, **stage.peer_environment) as running:
        running.until(lambda: listens(port))
        yield port
