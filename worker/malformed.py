"""What is on a queue but is no task: kept as refused, told without its content, and it stops nothing.

Celery and kombu expect well-formed entries. One that is not would end the worker that took it, go
back to its queue, and end the next.

    no JSON                  `TolerantChannel`
    JSON, but no envelope    `TolerantTransport`     ─┐
    an envelope, but no task, or its body no task's   ├→ the signal `task_rejected` → the refused entries
        `guarded_strategy`, or Celery's own checks   ─┘
"""

import logging
from binascii import Error as Base64Error
from collections.abc import Callable
from json import JSONDecodeError
from types import SimpleNamespace
from typing import Any

import orjson
from celery.exceptions import InvalidTaskError
from celery.signals import task_rejected, task_unknown
from celery.worker import strategy
from celery.worker.consumer import consumer
from kombu.transport import TRANSPORT_ALIASES, redis

from messages.errors import InvalidMessage, StoreUnavailable
from worker.reconnecting import ReconnectingChannel

log = logging.getLogger(__name__)

#: What taking apart a malformed entry raises.
_MALFORMED = (AttributeError, Base64Error, KeyError, LookupError, TypeError, ValueError)

_KEPT_CHARACTERS = 100_000

#: Celery's formats of log lines that would show the body of a task.
_SHOWING_BODIES = (
    consumer.UNKNOWN_FORMAT,
    consumer.UNKNOWN_TASK_ERROR,
    consumer.INVALID_TASK_ERROR,
    consumer.MESSAGE_DECODE_ERROR,
)

Refuse = Callable[[list[tuple[str, InvalidMessage]]], None]


class TolerantChannel(ReconnectingChannel):
    """Passes over entries that are no JSON."""

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[no-untyped-call]
        except JSONDecodeError as error:
            _reject(error.doc, "it is not JSON")
            return True  # an entry was taken


class TolerantTransport(redis.Transport):
    """Passes over entries that are no Celery messages."""

    Channel = TolerantChannel

    def _deliver(self, message: Any, queue: str) -> None:
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


def guarded_strategy(task: Any, app: Any, consumer: Any, **options: Any) -> Callable[..., Any]:
    """Celery's default strategy, for which whatever is wrong with a task's body makes it an invalid task."""
    handle = strategy.default(task, app, consumer, **options)

    def guarded(message: Any, *arguments: Any, **named: Any) -> Any:
        try:
            return handle(message, *arguments, **named)
        except consumer.connection_errors:
            raise
        except Exception as error:  # noqa: BLE001 - anything can be wrong with it
            raise InvalidTaskError(f"its body is not a task's ({type(error).__name__})") from None

    return guarded


def install(refuse: Refuse) -> None:
    """Have malformed entries passed over, and given to `refuse`, as JSON, with the reason."""
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), f"{__name__}:TolerantTransport"))
    logging.getLogger(consumer.__name__).addFilter(_without_body)

    def keep(message: Any, exc: Any = None, **_: Any) -> None:
        raw = message.body if hasattr(message, "body") else message
        error = InvalidMessage(f"The queue entry is no task of Roundsman: {exc or 'unknown'}.")
        try:
            refuse([(_as_json(raw), error)])
        except StoreUnavailable:
            log.error("A malformed queue entry could not be kept: the store is away.")  # noqa: TRY400

    # weak=False: nobody else holds the function
    task_rejected.connect(keep, weak=False)
    task_unknown.connect(keep, weak=False)


def _reject(raw: object, reason: str) -> None:
    log.warning("Refused a queue entry: %s; see: roundsman list --refused", reason)
    task_rejected.send(sender=None, message=SimpleNamespace(body=raw), exc=reason)


def _without_body(record: logging.LogRecord) -> bool:
    """A filter that lets every record pass, but no body."""
    if record.msg in _SHOWING_BODIES:
        record.msg, record.args = "Refused a queue entry that is no task; see: roundsman list --refused", ()
        record.exc_info = None
    return True


def _as_json(raw: object) -> str:
    if isinstance(raw, bytes | memoryview):
        raw = bytes(raw).decode("utf-8", "replace")
    try:
        return orjson.dumps(raw[:_KEPT_CHARACTERS] if isinstance(raw, str) else raw).decode()
    except TypeError:
        return orjson.dumps(ascii(raw)[:_KEPT_CHARACTERS]).decode()
