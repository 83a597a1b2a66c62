"""What is on a queue but is not a task: kept as refused, logged without its content, and it stops nothing.

Celery and kombu expect well-formed entries. One that is not would end the worker that took it, go back to
its queue, and end the next; or Celery would discard it, run a task of its own, or run further ones.
So an entry is read by `messages.queue_entries` before Celery does anything with it:

    not JSON, or too much      `TolerantChannel`    ─┐ (both in `worker.entries`)
    the envelope               `TolerantTransport`   ├→ the signal `task_rejected` → the refused entries
    the body                   `TolerantConsumer`   ─┘
"""

import logging
from collections.abc import Callable
from typing import Any

from celery.signals import task_rejected
from celery.worker.consumer import consumer
from celery.worker.state import revoked
from kombu.transport import TRANSPORT_ALIASES

from messages.errors import StoreUnavailable
from messages.queue_entries import BadEntry
from messages.wording import told
from tasks.refuse import as_json
from tasks.requests import shown_id
from worker.entries import reject

log = logging.getLogger(__name__)

Refuse = Callable[[str, str], None]


class TolerantConsumer(consumer.Consumer):  # type: ignore[misc]  # Celery ships no types
    """Gives Celery a task only once it was read, and keeps what is not one."""

    def create_task_handler(self, *arguments: Any, **named: Any) -> Callable[[Any], None]:
        """Return what handles an entry."""
        handle = super().create_task_handler(*arguments, **named)

        def read_and_handle(message: Any) -> None:
            try:
                message.read()
                if revoked and shown_id(message.headers["id"]) in revoked:
                    raise BadEntry("it was revoked (celery control revoke)")  # noqa: TRY301
                handle(message)
            except self.connection_errors:
                raise
            except Exception as error:  # noqa: BLE001 - anything can be wrong with it
                self.on_invalid_task(None, message, error)

        return read_and_handle

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:  # noqa: ARG002 - Celery's signature
        """Keep it as refused, then acknowledge it: in this order, so that a crash between loses nothing."""
        reason = str(exc) if isinstance(exc, BadEntry) else f"it is not a task ({type(exc).__name__})"
        if reject(message._raw, reason):  # noqa: SLF001 - the envelope; kombu keeps it, too
            message.ack_log_error(log, self.connection_errors)

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Refuse it."""
        self.on_invalid_task(body, message, exc)

    def on_unknown_message(self, body: Any, message: Any) -> None:
        """Refuse it."""
        self.on_invalid_task(body, message, BadEntry("it is not a task"))

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Refuse what kombu could not decode; Celery would drop it."""
        self.on_invalid_task(None, message, exc)


def install(refuse: Refuse, refuse_later: Refuse) -> None:
    """Have malformed entries given to `refuse`, as JSON, with the reason.

    While the store is away they are given to `refuse_later`, which puts them back as a task.
    """
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), "worker.entries:TolerantTransport"))
    # At level DEBUG it shows each task with all its arguments.
    logging.getLogger("celery.pool").setLevel(logging.INFO)

    def keep(message: Any, exc: Any = None, **_: Any) -> bool:
        entry, reason = as_json(message.body), f"The queue entry cannot be accepted: {exc}."
        try:
            refuse(entry, reason)
        except StoreUnavailable:
            return keep_later(entry, reason)
        except Exception as error:  # noqa: BLE001 - else Celery logs its text
            log.error("A malformed queue entry could not be kept: %s", told(error))  # noqa: TRY400
            return False
        return True

    def keep_later(entry: str, reason: str) -> bool:
        try:
            refuse_later(entry, reason)
        except Exception as error:  # noqa: BLE001 - kombu and redis raise many; all mean the same here
            log.error(  # noqa: TRY400 - its text may hold data
                "A malformed queue entry could not be kept: the store is away, and the broker (%s).",
                type(error).__name__,
            )
            return False
        return True

    task_rejected.connect(keep, weak=False)  # nobody else holds the function
