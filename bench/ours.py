"""Roundsman on the stage: its own processes, by the commands that `roundsman up` runs."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

from celery import Celery

from bench import audit
from bench.corpus import DEALERSHIP, SENDER, SENDER_PHONE
from bench.figures import Violation
from bench.processes import LOOPBACK, Running, free_port, listens
from bench.providers.twilio import ACCOUNT, TOKEN
from bench.stage import Provider, Stage
from messages.acceptance import Acceptor
from messages.clock import system_clock
from messages.doorbell import Doorbell
from messages.queues import PUBLISHER_CONFIG
from messages.settings import Settings
from messages.states import DeliveryState
from messages.store import Accepted, Store

#: How intake is served.
WIRE = "intake.wire:Wire"

#: One for each core of the machine that the targets are for.
WORKERS = 2

#: How many are accepted in one transaction while a backlog is made.
_CHUNK = 500

#: Seconds for one message, at the worst, before a run counts as stuck.
_PATIENCE = 0.05


class Ours:
    """Roundsman on one store; `fresh()` of it unless `url` is given. A context manager."""

    def __init__(self, stage: Stage, store_name: str, url: str | None = None) -> None:
        self.stage, self.store_name = stage, store_name
        self._is_fresh = url is None
        self.url = url or stage.stores[store_name].fresh()
        self.port = free_port()
        self.environment = {
            "VAR_DIR": str(stage.folder),
            "DATABASE_URL": self.url,
            "BROKER_URL": stage.broker_url,
            "SMTP_URL": f"smtp://{LOOPBACK}:{stage.smtp.port}",
            "TWILIO_BASE_URL": f"http://{LOOPBACK}:{stage.twilio.port}",
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": TOKEN,
            "SENDER_EMAIL": SENDER,
            "SENDER_PHONE": SENDER_PHONE,
            "DEALERSHIP_NAME": DEALERSHIP,
            "PORT": str(self.port),
        }

    def __enter__(self) -> "Ours":
        named: dict[str, Any] = {name.lower(): value for name, value in self.environment.items()}
        settings = Settings(_env_file=None, **named)
        self.store = Store(settings.database)
        self._acceptor = Acceptor.from_settings(settings, self.store, system_clock)
        self._publisher = Celery("bench", broker=settings.broker, set_as_current=False)
        self._publisher.conf.update(PUBLISHER_CONFIG)
        self._sent_before = self._sent()
        return self

    def __exit__(self, *_: object) -> None:
        self._publisher.close()
        self.store.close()

    # What runs

    def workers(self, count: int = WORKERS) -> Running:
        """The worker processes that `roundsman up` starts."""
        return self.stage.run("worker", "-m", "worker.up.workers", str(count), **self.environment)

    @contextmanager
    def intake(self) -> Iterator[Running]:
        """One process, by the command that `roundsman up` starts, ready."""
        argv = ("-m", "uvicorn", "intake.app:app", "--host", LOOPBACK, "--port", str(self.port))
        options = ("--http", WIRE, "--no-access-log")
        with self.stage.run("intake", *argv, *options, **self.environment) as running:
            running.until(lambda: listens(self.port))
            yield running

    # What is given to it

    def fill(self, entries: Iterable[dict[str, Any]]) -> int:
        """Accept these and enqueue them, as intake does, only in larger groups; returns how many."""
        bell, rest, count = Doorbell(self._publisher), iter(entries), 0
        while chunk := list(islice(rest, _CHUNK)):
            results = self._acceptor.accept([self._acceptor.draft(entry) for entry in chunk])
            accepted = [result for result in results if isinstance(result, Accepted)]
            if len(accepted) < len(chunk) or not bell.ring([w for a in accepted for w in a.waiting]):
                raise Violation("the backlog could not be made")
            count += len(chunk)
        return count

    def push(self, task: str, queue: str, arguments: Iterable[Any]) -> None:
        """Put tasks on a queue, as a producer without HTTP does."""
        with self._publisher.producer_pool.acquire(block=True) as producer:
            for argument in arguments:
                self._publisher.send_task(task, args=[argument], queue=queue, producer=producer)

    # What came of it

    def until_sent(self, running: Running, provider: Provider, count: int) -> float:
        """Wait until the provider has so many and each is recorded; returns when that was."""
        patience = 60 + count * _PATIENCE
        running.until(lambda: provider.took.count() >= count, patience)
        running.until(lambda: not any(self.store.waiting_by_state().values()), patience, every=0.02)
        return time.monotonic()

    def check(self, provider: Provider, expected: Sequence[str], *, also: int = 0) -> list[float]:
        """Audit a run; returns when each was accepted by the provider. Raises Violation.

        `also`: how many were sent before the provider was last reset.
        """
        report = provider.took.report()
        who = f"Roundsman on {self.store_name}"
        audit.check(who, report, expected)
        recorded = self._sent()
        if (sent := recorded - self._sent_before - also) != len(expected):
            raise Violation(f"{who}: {len(expected)} were sent, {sent} are recorded as sent")
        if self._is_fresh:  # in the others there are copies, of what was sent once
            audit.check_recorded(who, self.url, recorded)
        return report.times

    def _sent(self) -> int:
        return self.store.page(DeliveryState.SENT, 1, 1).total
