"""The Celery tasks: names and reliability of the verbs in this package, nothing else."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from celery import Task, shared_task
from celery.exceptions import Reject

from messages.delivery import Channel
from messages.errors import InvalidMessage, StoreUnavailable
from messages.queues import ACCEPT_TASK, INTAKE_QUEUE, MAX_IDS, REFUSE_TASK, SEND_QUEUES, SEND_TASKS
from messages.wording import told
from tasks.accept import accept
from tasks.parts import Parts
from tasks.refuse import refuse, refuse_entry
from tasks.requests import PrivateRequest, SendRequest
from tasks.send import send

log = logging.getLogger(__name__)

#: Seconds before a Message goes back to the queue when the store is away.
STORE_PAUSE = 2


class TaskFailed(Exception):
    """A task ended with an error nobody foresaw; says which, and where, but not its text."""


class PartsTask(Task):  # type: ignore[misc]  # Celery ships no types
    """A task that finds the process's parts on its app, and shows nothing of what it was given."""

    Strategy = "worker.malformed:guarded_strategy"
    Request = SendRequest

    def __call__(self, *arguments: Any, **named: Any) -> None:
        """Run it. Raises Reject, or TaskFailed."""
        try:
            self.run(*arguments, **named)
        except Reject:
            raise
        except Exception as error:  # noqa: BLE001 - Celery logs it, and tells it to Flower, with its text
            # What the store says is ours.
            text = f": {error}" if isinstance(error, StoreUnavailable) else ""
            failed = TaskFailed(told(error) + text)
        else:
            return
        raise failed

    @property
    def parts(self) -> Parts:
        """The parts, built at first use."""
        parts: Parts = self.app.parts
        return parts


class AcceptTask(PartsTask):
    """`tasks.accept`: acknowledged when the store has it, for until then the queue holds it."""

    Request = PrivateRequest

    def on_failure(self, exc: Exception, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:  # noqa: ARG002
        """Keep what nobody foresaw, too: it is acknowledged, and the queue no longer has it."""
        kind = exc if isinstance(exc, TaskFailed) else type(exc).__name__
        failed = InvalidMessage(f"It could not be accepted ({kind}).")
        try:
            refuse(self.parts, [([*args, *([kwargs] if kwargs else [])], failed)])
        except Exception as error:  # noqa: BLE001 - else Celery logs its text, and never acknowledges the task
            log.error("What could not be accepted could not be kept: %s", told(error))  # noqa: TRY400


@shared_task(  # type: ignore[untyped-decorator]
    bind=True,
    base=AcceptTask,
    name=ACCEPT_TASK,
    queue=INTAKE_QUEUE,
    typing=False,
    acks_late=True,
)
def accept_messages(self: AcceptTask, /, *arguments: Any, **named: Any) -> None:
    """Accept a Message, or a list of them."""
    with _as_soon_as_the_store_is_there():
        accept(self.parts, [*arguments, *([named] if named else [])], self.request.id)


@shared_task(  # type: ignore[untyped-decorator]
    bind=True,
    base=AcceptTask,
    name=REFUSE_TASK,
    queue=INTAKE_QUEUE,
    typing=False,
    acks_late=True,
)
def refuse_malformed(self: AcceptTask, /, *arguments: Any, **named: Any) -> None:
    """Keep an entry that is no task, and came while the store was away."""
    with _as_soon_as_the_store_is_there():
        refuse_entry(self.parts, [*arguments, *([named] if named else [])])


@contextmanager
def _as_soon_as_the_store_is_there() -> Iterator[None]:
    """What the store cannot take now goes back to its queue, and stays there."""
    try:
        yield
    except StoreUnavailable as error:
        time.sleep(STORE_PAUSE)  # in this thread: nobody else can store anything either
        raise Reject(error, requeue=True) from None


def _send_task(channel: Channel) -> Callable[..., None]:
    @shared_task(  # type: ignore[untyped-decorator]
        bind=True, base=PartsTask, name=SEND_TASKS[channel], queue=SEND_QUEUES[channel], typing=False
    )
    def send_deliveries(self: PartsTask, /, *arguments: Any, **named: Any) -> None:
        """Send these Deliveries: one list of their ids."""
        if named or len(arguments) != 1 or not _are_ids(arguments[0]):
            wrong = InvalidMessage(f"{SEND_TASKS[channel]} takes one list of at most {MAX_IDS} ids.")
            refuse(self.parts, [([*arguments, *([named] if named else [])], wrong)])
            log.warning("Refused an entry of the queue %s.", SEND_QUEUES[channel])
            return
        send(self.parts, channel, arguments[0])

    task: Callable[..., None] = send_deliveries
    return task


def _are_ids(given: object) -> bool:
    return (
        isinstance(given, list)
        and len(given) <= MAX_IDS
        and all(isinstance(i, str) and i.isascii() and i.isprintable() for i in given)
    )


send_sms = _send_task(Channel.SMS)
send_email = _send_task(Channel.EMAIL)
