"""The Celery tasks: names and reliability of the verbs in this package, nothing else."""

import time
from collections.abc import Callable
from typing import Any

from celery import Task, shared_task
from celery.exceptions import Reject
from celery.worker.request import Request

from messages.delivery import Channel
from messages.errors import StoreUnavailable
from messages.queues import ACCEPT_TASK, INTAKE_QUEUE, SEND_QUEUES, SEND_TASKS
from tasks.accept import accept
from tasks.parts import Parts
from tasks.send import send

#: Seconds before a Message goes back to the queue when the store is away.
STORE_PAUSE = 2


class PrivateRequest(Request):  # type: ignore[misc]  # Celery ships no types
    """A task whose arguments are a Message: Flower and logs show that there are some, not what they are."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._argsrepr = "(<a Message>,)"
        self._kwargsrepr = "{}"


class PartsTask(Task):  # type: ignore[misc]
    """A task that finds the process's parts on its app."""

    Strategy = "worker.malformed:guarded_strategy"

    @property
    def parts(self) -> Parts:
        """The parts, built at first use."""
        parts: Parts = self.app.parts
        return parts


class AcceptTask(PartsTask):
    """`tasks.accept`: acknowledged when the store has it, for until then the queue holds it."""

    Request = PrivateRequest


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
    try:
        accept(self.parts, [*arguments, *([named] if named else [])], self.request.id)
    except StoreUnavailable as error:
        time.sleep(STORE_PAUSE)  # in this thread: nobody else can store anything either
        raise Reject(error, requeue=True) from None


def _send_task(channel: Channel) -> Callable[..., None]:
    @shared_task(  # type: ignore[untyped-decorator]
        bind=True, base=PartsTask, name=SEND_TASKS[channel], queue=SEND_QUEUES[channel]
    )
    def send_deliveries(self: PartsTask, ids: list[str]) -> None:
        """Send these Deliveries."""
        send(self.parts, channel, ids)

    task: Callable[..., None] = send_deliveries
    return task


send_sms = _send_task(Channel.SMS)
send_email = _send_task(Channel.EMAIL)
