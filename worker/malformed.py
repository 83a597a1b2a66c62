"""What is on a queue but is no task: kept as refused, told without its content, and it stops nothing.

Celery and kombu expect well-formed entries. One that is not would end the worker that took it, go
back to its queue, and end the next.

    no JSON, or too much     `TolerantChannel`        (both in `worker.entries`)
    JSON, but no envelope    `TolerantTransport`     ─┐
    an envelope, but no task, or its body no task's   ├→ the signal `task_rejected` → the refused entries
        `TolerantConsumer`, `guarded_strategy`       ─┘
"""

import logging
from collections.abc import Callable
from typing import Any

from celery.exceptions import InvalidTaskError
from celery.signals import task_rejected
from celery.worker import strategy
from celery.worker.consumer import consumer
from kombu.transport import TRANSPORT_ALIASES

from messages.errors import StoreUnavailable
from messages.wording import told
from tasks.refuse import as_json
from worker.entries import TOO_MUCH, TooMuch, check_size

log = logging.getLogger(__name__)

_FURTHER_TASKS = ("callbacks", "errbacks", "chain", "chord")

#: Celery's formats of log lines that would show the body of a task.
_SHOWING_BODIES = (
    consumer.UNKNOWN_FORMAT,
    consumer.UNKNOWN_TASK_ERROR,
    consumer.INVALID_TASK_ERROR,
    consumer.MESSAGE_DECODE_ERROR,
)

Refuse = Callable[[str, str], None]


class TolerantConsumer(consumer.Consumer):  # type: ignore[misc]  # Celery ships no types
    """For which a task that does not exist is one more invalid task: Celery would tell Flower its name."""

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Refuse it."""
        self.on_invalid_task(body, message, exc)


def guarded_strategy(task: Any, app: Any, consumer: Any, **options: Any) -> Callable[..., Any]:
    """Celery's default strategy, for which whatever is wrong with a task's body makes it an invalid task."""
    handle = strategy.default(task, app, consumer, **options)

    def guarded(message: Any, *arguments: Any, **named: Any) -> Any:
        try:
            _check_task(message)
            return handle(message, *arguments, **named)
        except TooMuch:
            raise InvalidTaskError(TOO_MUCH) from None
        except (InvalidTaskError, *consumer.connection_errors):
            raise
        except Exception as error:  # noqa: BLE001 - anything can be wrong with it
            raise InvalidTaskError(f"its body is not a task's ({type(error).__name__})") from None

    return guarded


def _check_task(message: Any) -> None:
    """Raises TooMuch or InvalidTaskError, for what Celery would take and fail at, or run, or hold."""
    if isinstance(message.body, bytes):
        check_size(message.body)
    if message.headers.get("eta"):  # it would be held in memory until then, and given out again every minute
        raise InvalidTaskError("it has an eta; give sendAt in the Message instead")
    message.headers.pop("shadow", None)  # logs and Flower would show it in place of the task's name
    payload = message.payload
    if isinstance(payload, dict):  # the first version of Celery's protocol
        arguments, named, embedded = payload.get("args"), payload.get("kwargs"), payload
    else:
        arguments, named, embedded = payload
    if not isinstance(arguments, list) or not isinstance(named, dict):
        raise InvalidTaskError("its arguments are no list, or its named ones no object")
    if "self" in named:  # it would take the place of the task itself
        raise InvalidTaskError("it has a named argument self")
    if isinstance(embedded, dict) and any(map(embedded.get, _FURTHER_TASKS)):
        raise InvalidTaskError("it would have further tasks run")


def install(refuse: Refuse, refuse_later: Refuse) -> None:
    """Have malformed entries passed over, and given to `refuse`, as JSON, with the reason.

    While the store is away they are given to `refuse_later`, which puts them back as a task.
    """
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), "worker.entries:TolerantTransport"))
    logging.getLogger(consumer.__name__).addFilter(_without_body)
    # At level DEBUG it shows each task with all its arguments.
    logging.getLogger("celery.pool").setLevel(logging.INFO)

    def keep(message: Any, exc: Any = None, **_: Any) -> None:
        entry = as_json(message.body if hasattr(message, "body") else message)
        reason = f"The queue entry is no task of Roundsman: {exc or 'unknown'}."
        try:
            refuse(entry, reason)
        except StoreUnavailable:
            try:
                refuse_later(entry, reason)
            except Exception as error:  # noqa: BLE001 - kombu and redis raise many; all mean the same here
                log.error(  # noqa: TRY400 - its text may hold data
                    "A malformed queue entry could not be kept: the store is away, and the broker (%s).",
                    type(error).__name__,
                )
        except Exception as error:  # noqa: BLE001 - else Celery logs its text
            log.error("A malformed queue entry could not be kept: %s", told(error))  # noqa: TRY400

    task_rejected.connect(keep, weak=False)  # nobody else holds the function


def _without_body(record: logging.LogRecord) -> bool:
    """A filter that lets every record pass, but no body."""
    if record.msg in _SHOWING_BODIES:
        record.msg, record.args = "Refused a queue entry that is no task; see: roundsman list --refused", ()
        record.exc_info = None
    return True
