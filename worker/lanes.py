"""Lanes: what is taken of a queue, and what works on it, waits for nothing that is on another.

| lane | queues | what is on them |
| --- | --- | --- |
| alone | `sms`, `email` | Deliveries of Messages that came alone, or a few together |
| bulk | `sms.bulk`, `email.bulk` | of Messages that came with many others |
| entrance | `intake` | Messages, which are stored together: many tasks at a time, each only waits |
| bulk entrance | `intake.bulk` | long lists of Messages, one at a time |

kombu would take from all its queues in turn by one connection, up to one number of tasks for all of them:
a few lists, and nothing else is taken. So each lane takes by a channel of its own, and has its own threads.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from celery import bootsteps
from celery.worker.consumer.tasks import Tasks
from celery.worker.control import inspect_command
from kombu.common import ignore_errors

from messages.delivery import Lane as SendLane
from messages.queues import INTAKE_BULK_QUEUE, INTAKE_QUEUE


@dataclass(frozen=True, slots=True)
class Lane:
    """One lane. `threads`: of so many as the worker is told to have."""

    name: str
    queues: frozenset[str]
    threads: Callable[[int], int]


ALONE = Lane("alone", frozenset(lane for lane in SendLane if not lane.bulk), lambda told: told)

#: Those beside it. Half as many lists of a bulk at a time leave the others enough of the processor.
BESIDE = (
    Lane("bulk", frozenset(lane for lane in SendLane if lane.bulk), lambda told: max(1, told // 2)),
    Lane("entrance", frozenset({INTAKE_QUEUE}), lambda told: 8 * told),
    Lane("bulk entrance", frozenset({INTAKE_BULK_QUEUE}), lambda _: 1),
)


def lane_of(queue: str) -> Lane:
    """The lane of a queue."""
    return next((lane for lane in BESIDE if queue in lane.queues), ALONE)


class LaneConsumers(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery ships no types
    """Takes from the lanes beside the first, each up to as many tasks as it has threads."""

    requires = (Tasks,)

    def __init__(self, parent: Any, **options: Any) -> None:
        self._consumers: list[Any] = []
        super().__init__(parent, **options)

    def start(self, parent: Any) -> None:
        """Take from what the worker was told to take from (`-Q`), as of now."""
        wanted = parent.app.amqp.queues.consume_from
        for lane in BESIDE:
            queues = [queue for name, queue in wanted.items() if name in lane.queues]
            if queues:
                self._consumers.append(_consumer(parent, queues, lane.threads(parent.pool.limit)))
        parent.lane_consumers = self._consumers

    def stop(self, parent: Any) -> None:
        """Take nothing more."""
        for consumer in self._consumers:
            ignore_errors(parent, consumer.cancel)  # type: ignore[no-untyped-call]

    def shutdown(self, parent: Any) -> None:
        """Close the channels."""
        self.stop(parent)
        for consumer in self._consumers:
            ignore_errors(parent, consumer.channel.close)  # type: ignore[no-untyped-call]
        self._consumers.clear()


def _consumer(parent: Any, queues: list[Any], at_once: int) -> Any:
    channel = parent.connection.channel()
    channel.basic_qos(0, at_once, False)
    consumer = parent.app.amqp.TaskConsumer(channel, queues=queues, on_decode_error=parent.on_decode_error)
    consumer.on_message = parent.create_task_handler()
    consumer.consume()
    return consumer


@inspect_command()  # type: ignore[untyped-decorator]
def active_queues(state: Any) -> list[dict[str, Any]]:
    """List the task queues a worker is currently consuming from."""
    consumers = [state.consumer.task_consumer, *getattr(state.consumer, "lane_consumers", ())]
    return [queue.as_dict(recurse=True) for one in consumers if one for queue in one.queues]
