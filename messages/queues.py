"""The names that producers, intake and workers share on the broker, and how to publish without waiting."""

from typing import Any

from messages.delivery import Channel, Lane

ACCEPT_TASK = "tasks.accept"
INTAKE_QUEUE = "intake"

#: Where a worker puts long lists that it finds on the queue `intake`: what is behind them need not wait.
ACCEPT_BULK_TASK = "tasks.accept_bulk"
INTAKE_BULK_QUEUE = "intake.bulk"

ENTRANCES = (INTAKE_QUEUE, INTAKE_BULK_QUEUE)

#: Keeps a malformed entry that came while the store was away.
REFUSE_TASK = "tasks.refuse"

SEND_TASKS = {Channel.SMS: "tasks.send_sms", Channel.EMAIL: "tasks.send_email"}

#: Celery has tasks of its own (`celery.chord`, `celery.backend_cleanup`, …): an entry may name none of them.
ALL_TASKS = frozenset({ACCEPT_TASK, ACCEPT_BULK_TASK, REFUSE_TASK, *SEND_TASKS.values()})

ALL_QUEUES = (INTAKE_QUEUE, INTAKE_BULK_QUEUE, *(lane.value for lane in Lane))

#: Of each task that is enqueued: when, in ms since the epoch. Tasks leave a queue in the order of that.
RUNG_AT = "rungAt"

#: Of an entry of the queue entrance: how many workers died, or lost the broker, that had taken it.
DEATHS = "roundsmanDeaths"

#: One that outlived more workers than this is refused: it may be what kills them.
MOST_DEATHS = 5

#: How many ids one task carries: a Celery task costs about 1 ms of a core however little it does.
IDS_PER_TASK = 200

#: More than this is no task of ours: of ids, and of an entry's bytes and JSON values.
MAX_IDS = 1000
MAX_ENTRY_BYTES = 64_000_000
MAX_ENTRY_VALUES = 1_000_000

#: Settings of every Celery app here.
CELERY_CONFIG: dict[str, Any] = {
    "task_ignore_result": True,
    "task_serializer": "json",
    "accept_content": ["json"],
    "task_default_queue": INTAKE_QUEUE,
    "task_publish_retry": False,
}

#: Settings of one that only publishes. With Celery's defaults a publish blocks for seconds
#: while Redis refuses, and for ever while Redis is frozen. Times are seconds.
PUBLISHER_CONFIG: dict[str, Any] = CELERY_CONFIG | {
    "broker_connection_timeout": 1,
    "broker_pool_acquire_timeout": 1,
    "broker_transport_options": {
        "max_retries": 1,
        "interval_start": 0,
        "socket_timeout": 1,
        "socket_connect_timeout": 1,
    },
}
