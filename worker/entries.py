"""Entries of the queues, as they are taken: a malformed entry is refused and kept, and stops nothing.

See `worker.malformed`, of which this is the part nearest to the broker.
"""

import logging
from types import SimpleNamespace
from typing import Any

from celery.signals import task_rejected
from kombu.transport import redis, virtual
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads

from messages.queue_entries import BadEntry, check_size, clean_envelope, read_task
from messages.queues import ALL_QUEUES
from worker.quiet import FEW, FEW_ALONE, is_quiet
from worker.taking import TakingChannel

log = logging.getLogger(__name__)

#: What taking apart a malformed entry raises.
_MALFORMED = (BadEntry, AttributeError, LookupError, RecursionError, TypeError, ValueError)


class Entry(virtual.Message):
    """A message of kombu's that gives Celery nothing but the task that was read from it."""

    _task: dict[str, Any] | None = None

    def read(self) -> None:
        """Read the task. Raises BadEntry."""
        body = self.body if isinstance(self.body, bytes) else (self.body or "").encode()
        task = read_task(self.headers, body)
        self.headers = {"task": task.name, "id": task.id}
        self._task = {"args": task.arguments, "kwargs": task.named}

    def decode(self) -> Any:
        """Return the task, in the form that Celery does not parse again; of a control message, its body."""
        return self._task if self._task is not None else super().decode()  # type: ignore[no-untyped-call]


class TolerantChannel(TakingChannel):
    """Refuses entries that are not JSON, and those that would take too much memory."""

    Message = Entry
    _taken: bytes | None = None  #: the entry that is being read
    _from: str = ""  #: the queue from which one was taken last

    def _create_client(self, asynchronous: bool = False) -> Any:
        client = super()._create_client(asynchronous)  # type: ignore[no-untyped-call]
        client.set_response_callback("BRPOP", self._take)
        return client

    def _take(self, taken: Any) -> Any:
        """Return what BRPOP took: a queue and an entry, in bytes. Raises BadEntry."""
        if taken:
            self._from, self._taken = taken[0].decode(), taken[1]
            check_size(taken[1])
        return taken

    def _brpop_read(self, **options: Any) -> Any:
        """Deliver one; and those behind it, unless there is little to do: then there is hardly more.

        What came alone is taken one at a time for longer. Of the five that wait after a moment in which the
        machine stood still, one worker would take all, and the others none.
        """
        self.comes_alone = is_quiet(FEW_ALONE if self.is_stored else FEW)
        taken = self._read_one(**options)
        if self.comes_alone:
            return taken
        entries = [(entry, _parsed(entry, self._from)) for entry in self.see(self._from)]
        if entries:
            whole = [(entry, None if isinstance(m, Exception) else m) for entry, m in entries]
            for entry, message in entries[: self.qos.take(self._from, whole)]:
                if isinstance(message, Exception):
                    reject(_as_far_as_it_is_json(entry), _why(message))
                else:
                    self.connection.deliver(message, self._from)
        return taken

    def _read_one(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[no-untyped-call]
        except _MALFORMED as error:
            if self._taken is None:
                raise  # no entry's fault
            reject(self._taken, _why(error))
            return True  # an entry was taken
        finally:
            self._taken = None


def _parsed(entry: bytes, queue: str) -> Any:
    """Return an entry as kombu has it; or what is wrong with it."""
    try:
        check_size(entry)
        return clean_envelope(loads(bytes_to_str(entry)), queue)  # type: ignore[no-untyped-call]
    except _MALFORMED as error:
        return error


def _as_far_as_it_is_json(entry: bytes) -> Any:
    try:
        check_size(entry)
        return loads(bytes_to_str(entry))  # type: ignore[no-untyped-call]
    except _MALFORMED:
        return entry


def _why(error: Exception) -> str:
    # Also: bad UTF-8, a number of thousands of digits, deep nesting.
    return str(error) if isinstance(error, BadEntry) else f"it is not JSON ({type(error).__name__})"


class TolerantTransport(redis.Transport):
    """Refuses entries that are not Celery messages."""

    Channel = TolerantChannel

    def _deliver(self, message: Any, queue: str) -> None:
        """Deliver what kombu took: an entry of one of our queues, or a control message."""
        if queue in ALL_QUEUES:
            try:
                message = clean_envelope(message, queue)
            except BadEntry as error:
                reject(message, str(error))
                return
        self.deliver(message, queue)

    def deliver(self, message: Any, queue: str) -> None:
        """Deliver a clean envelope."""
        try:
            super()._deliver(message, queue)  # type: ignore[no-untyped-call]
        except _MALFORMED as error:
            if reject(message, f"it is not a Celery message ({type(error).__name__})"):
                self._acknowledge(message)

    def _acknowledge(self, message: Any) -> None:
        """Else it would come back with the next start."""
        properties = message.get("properties") if isinstance(message, dict) else None
        tag = properties.get("delivery_tag") if isinstance(properties, dict) else None
        if isinstance(tag, str):
            for channel in self.channels:
                channel.basic_ack(tag)


def reject(raw: object, reason: str) -> bool:
    """Have an entry kept as refused; return whether it is. The reason may hold what a producer wrote."""
    log.warning("Refused a queue entry; see: roundsman list --refused")
    answers = task_rejected.send(sender=None, message=SimpleNamespace(body=raw), exc=reason)
    return all(kept is not False for _, kept in answers)
