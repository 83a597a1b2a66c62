"""The Celery tasks: names and reliability of the verbs in this package, nothing else."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from celery import Task, shared_task
from celery.exceptions import Reject

from messages.delivery import Channel
from messages.errors import InvalidMessage, StoreUnavailable
from messages.queues import (
    ACCEPT_BULK_TASK,
    ACCEPT_TASK,
    INTAKE_BULK_QUEUE,
    INTAKE_QUEUE,
    MAX_IDS,
    REFUSE_TASK,
    SEND_TASKS,
)
from messages.wording import told
from tasks.accept import accept, is_bulk
from tasks.parts import Parts
from tasks.refuse import as_json, refuse, refuse_entry
from tasks.requests import PrivateRequest, SendRequest
from tasks.send import send

log = logging.getLogger(__name__)

#: Seconds before a Message goes back to the queue when the store is away.
STORE_PAUSE = 2


class TaskFailed(Exception):
    """A task ended with an error nobody foresaw; says which, and where, but not its text."""


class StoreAway(TaskFailed):
    """A task ended since the store was unavailable. The store's own line in the log names the cause."""


class PartsTask(Task):  # type: ignore[misc]  # Celery ships no types
    """A task that finds the process's parts on its app, and shows nothing of what it was given."""

    Request = SendRequest

    def __call__(self, *arguments: Any, **named: Any) -> None:
        """Run it. Raises Reject, or TaskFailed."""
        try:
            self.run(*arguments, **named)
        except Reject:
            raise
        except Exception as error:  # noqa: BLE001 - Celery logs it, and tells it to Flower, with its text
            failed = StoreAway(str(error)) if isinstance(error, StoreUnavailable) else TaskFailed(told(error))
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

    def __call__(self, *arguments: Any, **named: Any) -> None:
        """Run it, and keep what nobody foresaw, too. Raises Reject, or TaskFailed."""
        try:
            super().__call__(*arguments, **named)
        except TaskFailed as failed:
            with _as_soon_as_the_store_is_there():
                self._keep(_all_of(arguments, named), f"It could not be accepted ({failed}).")
            raise

    def _keep(self, given: list[Any], why: str) -> None:
        try:
            refuse(self.parts, [(given, InvalidMessage(why))])
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - else Celery logs its text
            log.error("What could not be accepted could not be kept: %s", told(error))  # noqa: TRY400


def _entrance(name: str, queue: str) -> Callable[[Callable[..., None]], Task]:
    """A task of the queue entrance; it takes whatever it is given, for a producer may send anything."""
    decorator: Callable[[Callable[..., None]], Task] = shared_task(
        bind=True, base=AcceptTask, name=name, queue=queue, typing=False, acks_late=True
    )
    return decorator


def _all_of(arguments: Sequence[Any], named: dict[str, Any]) -> list[Any]:
    """What a task was given, by place and by name."""
    return [*arguments, *([named] if named else [])]


@_entrance(ACCEPT_TASK, INTAKE_QUEUE)
def accept_messages(self: AcceptTask, /, *arguments: Any, **named: Any) -> None:
    """Accept a Message, or a list of them; a long one is put where nothing else waits behind it."""
    given = _all_of(arguments, named)
    if is_bulk(given) and _passed_on(self, given):
        return
    with _as_soon_as_the_store_is_there():
        accept(self.parts, given, self.request.id)


@_entrance(ACCEPT_BULK_TASK, INTAKE_BULK_QUEUE)
def accept_bulk(self: AcceptTask, /, *arguments: Any, **named: Any) -> None:
    """Accept a long list of Messages."""
    with _as_soon_as_the_store_is_there():
        accept(self.parts, _all_of(arguments, named), self.request.id)


@_entrance(REFUSE_TASK, INTAKE_QUEUE)
def refuse_malformed(self: AcceptTask, /, *arguments: Any, **named: Any) -> None:
    """Keep an entry that is no task, and came while the store was away."""
    with _as_soon_as_the_store_is_there():
        refuse_entry(self.parts, _all_of(arguments, named))


def _passed_on(task: AcceptTask, arguments: list[Any]) -> bool:
    """Whether it could be put on the other queue, under the same id: if it is on both, it is known there."""
    try:
        task.app.send_task(
            ACCEPT_BULK_TASK, args=arguments, queue=INTAKE_BULK_QUEUE, task_id=task.request.id,
            argsrepr="(<Messages>,)",
        )  # fmt: skip
    except Exception as error:  # noqa: BLE001 - kombu and redis raise many; all mean that it was not
        log.warning("A long list could not be put on %s (%s).", INTAKE_BULK_QUEUE, type(error).__name__)
        return False
    return True


@contextmanager
def _as_soon_as_the_store_is_there() -> Iterator[None]:
    """What the store cannot take now goes back to its queue, and stays there."""
    try:
        yield
    except StoreUnavailable as error:
        time.sleep(STORE_PAUSE)  # in this thread: nobody else can store anything either
        raise Reject(StoreAway(str(error)), requeue=True) from None


def names_no_cause_again(record: logging.LogRecord) -> bool:
    """Filter Celery's log: leave out the line that each task adds while the store is unavailable."""
    ended_with = str(getattr(record, "data", {}).get("exc", ""))
    return not ended_with.startswith((StoreAway.__name__, "reject requeue=True"))


def _send_task(channel: Channel) -> Callable[..., None]:
    @shared_task(  # type: ignore[untyped-decorator]
        bind=True, base=PartsTask, name=SEND_TASKS[channel], queue=channel.value, typing=False
    )
    def send_deliveries(self: PartsTask, /, *arguments: Any, **named: Any) -> None:
        """Send these Deliveries: one list of their ids."""
        if named or len(arguments) != 1 or not _are_ids(arguments[0]):
            _refuse_ids(
                self, _all_of(arguments, named), f"{self.name} takes one list of at most {MAX_IDS} ids."
            )
            log.warning("Refused an entry of the queue %s.", channel)
            return
        again = bool((self.request.delivery_info or {}).get("redelivered"))
        send(self.parts, channel, arguments[0], again=again)

    task: Callable[..., None] = send_deliveries
    return task


def _refuse_ids(task: PartsTask, given: list[Any], why: str) -> None:
    """Keep what is not a list of ids; while the store is away, put it back as a task."""
    try:
        refuse(task.parts, [(given, InvalidMessage(why))])
    except StoreUnavailable:
        task.app.send_task(
            REFUSE_TASK, args=[as_json(given), why], queue=INTAKE_QUEUE, argsrepr="(<a Message>,)"
        )


def _are_ids(given: object) -> bool:
    return (
        isinstance(given, list)
        and len(given) <= MAX_IDS
        and all(isinstance(i, str) and i.isascii() and i.isprintable() for i in given)
    )


send_sms = _send_task(Channel.SMS)
send_email = _send_task(Channel.EMAIL)
