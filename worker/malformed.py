"""What is on a queue but is no task: kept as refused, told without its content, and it stops nothing.

Celery and kombu expect well-formed entries. One that is not would end the worker that took it, go
back to its queue, and end the next.

    no JSON, or too much     `TolerantChannel`
    JSON, but no envelope    `TolerantTransport`     ─┐
    an envelope, but no task, or its body no task's   ├→ the signal `task_rejected` → the refused entries
        `TolerantConsumer`, `guarded_strategy`       ─┘
"""

import logging
import re
from binascii import Error as Base64Error
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from celery.exceptions import InvalidTaskError
from celery.signals import task_rejected
from celery.worker import strategy
from celery.worker.consumer import consumer
from kombu.transport import TRANSPORT_ALIASES, redis
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads

from messages.bulk import check_values
from messages.errors import InvalidMessage, StoreUnavailable
from messages.queues import MAX_ENTRY_BYTES, MAX_ENTRY_VALUES
from messages.wording import told
from tasks.refuse import as_json
from worker.taking import TakingChannel

log = logging.getLogger(__name__)

_TOO_MUCH = f"it has more than {MAX_ENTRY_BYTES:,} bytes or {MAX_ENTRY_VALUES:,} values (or commas)"

#: What taking apart a malformed entry raises.
_MALFORMED = (AttributeError, Base64Error, KeyError, LookupError, RecursionError, TypeError, ValueError)

#: What may stand in logs as the id of a task.
_ID = re.compile(r"[A-Za-z0-9._:~@+=-]{1,200}")

_FURTHER_TASKS = ("callbacks", "errbacks", "chain", "chord")

#: Celery's formats of log lines that would show the body of a task.
_SHOWING_BODIES = (
    consumer.UNKNOWN_FORMAT,
    consumer.UNKNOWN_TASK_ERROR,
    consumer.INVALID_TASK_ERROR,
    consumer.MESSAGE_DECODE_ERROR,
)

Refuse = Callable[[str, str], None]


class TooMuch(Exception):
    """An entry that is not even parsed."""


class TolerantChannel(TakingChannel):
    """Passes over entries that are no JSON, and those that would take too much memory."""

    _taken: bytes | None = None  #: the entry that is being read
    _from: str = ""  #: the queue from which one was taken last

    def _create_client(self, asynchronous: bool = False) -> Any:
        client = super()._create_client(asynchronous)  # type: ignore[no-untyped-call]
        client.set_response_callback("BRPOP", self._take)
        return client

    def _take(self, taken: Any) -> Any:
        """What BRPOP took: a queue and an entry, in bytes. Raises TooMuch."""
        if taken:
            self._from, self._taken = taken[0].decode(), taken[1]
            _check_size(taken[1])
        return taken

    def _brpop_read(self, **options: Any) -> Any:
        """Deliver one, and those behind it."""
        taken = self._read_one(**options)
        entries = [(entry, _parsed(entry)) for entry in self.see(self._from)]
        if entries:
            whole = [(e, message if _can_be_held(message) else None) for e, message in entries]
            for entry, message in entries[: self.qos.take(self._from, whole)]:
                if isinstance(message, Exception):
                    _reject(entry, _why(message))
                else:
                    self.connection._deliver(message, self._from)  # noqa: SLF001 - as kombu does
        return taken

    def _read_one(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[no-untyped-call]
        except (TooMuch, *_MALFORMED) as error:
            if self._taken is None:
                raise  # no entry's fault
            _reject(self._taken, _why(error))
            return True  # an entry was taken
        finally:
            self._taken = None


def _parsed(entry: bytes) -> Any:
    """An entry as kombu has it; or what is wrong with it."""
    try:
        _check_size(entry)
        return loads(bytes_to_str(entry))  # type: ignore[no-untyped-call]
    except (TooMuch, *_MALFORMED) as error:
        return error


def _can_be_held(message: Any) -> bool:
    """Whether it has what kombu notes of it."""
    if isinstance(message, Exception) or _wrong_envelope(message):
        return False
    info = message["properties"].get("delivery_info")
    return isinstance(info, dict) and {"exchange", "routing_key"} <= info.keys()


def _why(error: Exception) -> str:
    # Also: bad UTF-8, a number of thousands of digits, deep nesting.
    return _TOO_MUCH if isinstance(error, TooMuch) else f"it is not JSON ({type(error).__name__})"


def _wrong_envelope(message: Any) -> str | None:
    """What is wrong with it that kombu would trip over, outside of any task; None if nothing is."""
    try:
        properties, headers = message["properties"], message.get("headers") or {}
        if not isinstance(properties["delivery_tag"], str):
            return "its delivery_tag is no text"
        if headers.get("compression"):  # kombu would unpack it whatever comes out
            return "it is compressed; leave task_compression unset"
        if not _ID.fullmatch(headers.get("id") or "none"):
            return "its id is none"
    except _MALFORMED as error:
        return f"it is no Celery message ({type(error).__name__})"
    return None


def _check_size(json: bytes) -> None:
    try:
        check_values(json, MAX_ENTRY_VALUES)
    except InvalidMessage:
        raise TooMuch from None
    if len(json) > MAX_ENTRY_BYTES:
        raise TooMuch


class TolerantTransport(redis.Transport):
    """Passes over entries that are no Celery messages."""

    Channel = TolerantChannel

    def _deliver(self, message: Any, queue: str) -> None:
        if reason := _wrong_envelope(message):
            _reject(message, reason)
            return
        try:
            super()._deliver(message, queue)  # type: ignore[no-untyped-call]
        except _MALFORMED as error:
            _reject(message, f"it is no Celery message ({type(error).__name__})")
            self._acknowledge(message)

    def _acknowledge(self, message: Any) -> None:
        """Else it would come back with the next start."""
        properties = message.get("properties") if isinstance(message, dict) else None
        tag = properties.get("delivery_tag") if isinstance(properties, dict) else None
        if isinstance(tag, str):
            for channel in self.channels:
                channel.basic_ack(tag)


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
            raise InvalidTaskError(_TOO_MUCH) from None
        except (InvalidTaskError, *consumer.connection_errors):
            raise
        except Exception as error:  # noqa: BLE001 - anything can be wrong with it
            raise InvalidTaskError(f"its body is not a task's ({type(error).__name__})") from None

    return guarded


def _check_task(message: Any) -> None:
    """Raises TooMuch or InvalidTaskError, for what Celery would take and fail at, or run, or hold."""
    if isinstance(message.body, bytes):
        _check_size(message.body)
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
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), f"{__name__}:TolerantTransport"))
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


def _reject(raw: object, reason: str) -> None:
    log.warning("Refused a queue entry: %s; see: roundsman list --refused", reason)
    task_rejected.send(sender=None, message=SimpleNamespace(body=raw), exc=reason)


def _without_body(record: logging.LogRecord) -> bool:
    """A filter that lets every record pass, but no body."""
    if record.msg in _SHOWING_BODIES:
        record.msg, record.args = "Refused a queue entry that is no task; see: roundsman list --refused", ()
        record.exc_info = None
    return True
