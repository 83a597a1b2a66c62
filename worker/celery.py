"""The Celery app: `celery -A worker worker`, `celery -A worker flower`.

Celery has no asyncio pool. A worker is one process with a few threads, each busy with one list
of ids; all of them share one event loop, which owns the connections.
"""

import logging
import sys
from contextlib import suppress
from functools import cached_property
from typing import Any

from celery import Celery
from celery.signals import (
    worker_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutdown,
    worker_shutting_down,
)
from kombu.entity import Exchange, Queue

from messages.database_tls import warn_unless_verified
from messages.errors import SettingsError, StoreOutdated, StoreUnavailable
from messages.garbage import set_aside_what_stays
from messages.queues import ALL_QUEUES, CELERY_CONFIG, INTAKE_QUEUE, REFUSE_TASK
from messages.settings import Settings, load_settings
from tasks.bury import bury
from tasks.celery_tasks import names_no_cause_again
from tasks.parts import Parts
from tasks.refuse import refuse_entry
from worker import malformed
from worker.bridge import LoopThread
from worker.flower_hosts import check_hosts
from worker.held import Held
from worker.lanes import LaneConsumers
from worker.parts import build_parts
from worker.pool import LastResort
from worker.quiet import is_quiet
from worker.rounds import Rounds

#: How many lists of ids one process works on at a time, in the first of its lanes: see `worker.lanes`.
THREADS = 8


class RoundsmanCelery(Celery):  # type: ignore[misc]  # Celery ships no types
    """A Celery app that knows its settings and builds its parts at first use."""

    amqp_cls = "worker.reconnecting:ReconnectingAMQP"

    @cached_property
    def settings(self) -> Settings:
        """Read once. Ends the process with one line when a setting is wrong."""
        try:
            settings = load_settings()
            settings.broker_connection  # noqa: B018 - read now, so that what is wrong with it ends the start
        except SettingsError as error:
            sys.exit(f"roundsman worker: {error}")
        return settings

    @cached_property
    def parts(self) -> Parts:
        """What the tasks use, one set per process."""
        return build_parts(
            self, self.settings, LoopThread(), worker=lambda: self.held.process, is_quiet=is_quiet
        )

    @cached_property
    def held(self) -> Held:
        """What this process holds of the queues."""
        return Held(self, bury=lambda workers: bury(self.parts, workers))

    @cached_property
    def rounds(self) -> Rounds:
        """What this process does every second."""
        return Rounds(self.parts, self.held.look_after)

    @cached_property
    def last_resort(self) -> LastResort:
        """What ends this process if it does not end by itself."""
        return LastResort(self.settings.shutdown_seconds)

    def stop_working(self, *, at_once: bool = False) -> None:
        """Claim nothing more, and end what is under way. Also called by signal handlers."""
        self.parts.stopping.begin(at_once=at_once)
        self.rounds.stopping.set()
        self.last_resort.tell()


app = RoundsmanCelery("roundsman", include=["tasks.celery_tasks"])
app.conf.update(
    CELERY_CONFIG | app.settings.broker_connection.celery_config,
    # Without limit: a worker outlives any outage of the broker.
    broker_connection_max_retries=None,
    broker_connection_retry_on_startup=True,
    # A broker that froze is given up after this many seconds; the consumer then connects anew.
    broker_transport_options={
        "socket_timeout": 10,
        "socket_connect_timeout": 5,
        # What is held for longer is given out again. What a dead worker held, sooner: see `worker.held`.
        "visibility_timeout": 60,
    },
    worker_pool="worker.pool:EndingPool",
    worker_consumer="worker.consumer:NamedConsumer",
    worker_concurrency=THREADS,
    worker_prefetch_multiplier=1,
    worker_send_task_events=True,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_redirect_stdouts=False,
    task_queues=[Queue(name, Exchange(name), routing_key=name) for name in ALL_QUEUES],  # type: ignore[no-untyped-call]
)

app.steps["consumer"].add(LaneConsumers)

if app.settings.log_level == "INFO":
    # A line for each task as it comes, and one as it ends: a sixteenth of what a lone e-mail costs here, for
    # what Flower shows, too. What fails is logged all the same.
    for name in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)

logging.getLogger("celery.app.trace").addFilter(names_no_cause_again)
check_hosts(app.settings.flower_hosts)

malformed.install(
    refuse=lambda entry, reason: refuse_entry(app.parts, [entry, reason]),
    refuse_later=lambda *both: app.send_task(REFUSE_TASK, args=both, queue=INTAKE_QUEUE),
)


@worker_init.connect  # type: ignore[untyped-decorator]
def _check_settings(**_: Any) -> None:
    try:
        app.parts  # noqa: B018 - built now, so that what is wrong ends the start, not each task
        with suppress(StoreUnavailable):  # it is waited for; what is known of it is logged
            app.parts.store.check_revision()
    except (SettingsError, StoreOutdated) as error:
        sys.exit(f"roundsman worker: {error}")
    warn_unless_verified(app.settings.database)
    app.last_resort.start()
    set_aside_what_stays()


@worker_ready.connect  # type: ignore[untyped-decorator]
def _start_sweeping(**_: Any) -> None:
    logging.getLogger("worker").info("Sweeping every %g s.", app.rounds.every)
    app.rounds.start()


@worker_shutting_down.connect  # type: ignore[untyped-decorator]
def _stop_working(**_: Any) -> None:
    app.stop_working()


@worker_shutdown.connect  # type: ignore[untyped-decorator]
@worker_process_shutdown.connect  # type: ignore[untyped-decorator]
def _stop(**_: Any) -> None:
    app.rounds.stop()
    with suppress(Exception):  # whatever keeps us from the broker, another worker does it
        app.held.leave()
    app.parts.close()
