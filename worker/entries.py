"""Entries of a queue, as they are taken: what kombu would trip over is passed over, and given to `reject`.

See `worker.malformed`, of which this is the part nearest to the broker.
"""

import logging
import re
from binascii import Error as Base64Error
from types import SimpleNamespace
from typing import Any

from celery.signals import task_rejected
from kombu.transport import redis
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads

from messages.bulk import check_values
from messages.errors import InvalidMessage
from messages.queues import DEATHS, MAX_ENTRY_BYTES, MAX_ENTRY_VALUES, MOST_DEATHS
from worker.quiet import FEW, FEW_ALONE, is_quiet
from worker.taking import TakingChannel

log = logging.getLogger(__name__)

TOO_MUCH = f"it has more than {MAX_ENTRY_BYTES:,} bytes or {MAX_ENTRY_VALUES:,} values (or commas)"

#: What taking apart a malformed entry raises.
_MALFORMED = (AttributeError, Base64Error, KeyError, LookupError, RecursionError, TypeError, ValueError)

#: What may stand in logs as the id of a task.
_ID = re.compile(r"[A-Za-z0-9._:~@+=-]{1,200}")


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
        entries = [(entry, _parsed(entry)) for entry in self.see(self._from)]
        if entries:
            whole = [(e, message if _can_be_held(message) else None) for e, message in entries]
            for entry, message in entries[: self.qos.take(self._from, whole)]:
                if isinstance(message, Exception):
                    reject(entry, _why(message))
                else:
                    self.connection._deliver(message, self._from)  # noqa: SLF001 - as kombu does
        return taken

    def _read_one(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[no-untyped-call]
        except (TooMuch, *_MALFORMED) as error:
            if self._taken is None:
                raise  # no entry's fault
            reject(self._taken, _why(error))
            return True  # an entry was taken
        finally:
            self._taken = None


def _parsed(entry: bytes) -> Any:
    """An entry as kombu has it; or what is wrong with it."""
    try:
        check_size(entry)
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
    return TOO_MUCH if isinstance(error, TooMuch) else f"it is not JSON ({type(error).__name__})"


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
        if (deaths := deaths_of(headers)) > MOST_DEATHS:
            return f"{deaths} workers that had taken it died or lost the broker, so it may be what ends them"
    except _MALFORMED as error:
        return f"it is no Celery message ({type(error).__name__})"
    return None


def deaths_of(headers: dict[str, Any]) -> int:
    """How many workers died that had taken it."""
    deaths = headers.get(DEATHS)
    return deaths if isinstance(deaths, int) else 0  # else it is none of ours: anybody can write one


def check_size(json: bytes) -> None:
    """Raises TooMuch."""
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
            reject(message, reason)
            return
        try:
            super()._deliver(message, queue)  # type: ignore[no-untyped-call]
        except _MALFORMED as error:
            reject(message, f"it is no Celery message ({type(error).__name__})")
            self._acknowledge(message)

    def _acknowledge(self, message: Any) -> None:
        """Else it would come back with the next start."""
        properties = message.get("properties") if isinstance(message, dict) else None
        tag = properties.get("delivery_tag") if isinstance(properties, dict) else None
        if isinstance(tag, str):
            for channel in self.channels:
                channel.basic_ack(tag)


def reject(raw: object, reason: str) -> None:
    """Have it kept as refused."""
    log.warning("Refused a queue entry: %s; see: roundsman list --refused", reason)
    task_rejected.send(sender=None, message=SimpleNamespace(body=raw), exc=reason)
