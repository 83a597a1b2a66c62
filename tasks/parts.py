"""What tasks are made of. Built once per process by the composition root in `worker`."""

from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from messages.acceptance import Acceptor
from messages.catalogue import Catalogue
from messages.clock import Clock
from messages.doorbell import Doorbell
from messages.outgoing import Attachment, EmailChannel, SmsChannel
from messages.retry import RetryPolicy
from messages.store import Store
from tasks.rendering.renderer import Renderer

T = TypeVar("T")


class Bridge(Protocol):
    """The one bridge from the synchronous tasks to the asynchronous channels."""

    def gather(self, jobs: Iterable[Coroutine[Any, Any, T]]) -> Iterator[list[T]]:
        """Run the jobs together; yields what is done, in groups, as it gets done."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything a task uses."""

    store: Store
    acceptor: Acceptor
    catalogue: Catalogue
    renderer: Renderer
    doorbell: Doorbell
    bridge: Bridge
    sms: SmsChannel
    email: EmailChannel
    clock: Clock
    random: Callable[[], float]  #: numbers in [0, 1)
    retries: RetryPolicy
    lease_ms: int
    hand_over_ms: int  #: the longest that a hand-over may take, once begun
    dealership: str
    close: Callable[[], None]  #: closes all connections; nothing may be under way
    media_url: Callable[[Attachment], str]  #: where an SMS provider fetches kept content
