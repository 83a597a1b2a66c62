"""What tasks are made of. Built once per process by the composition root in `worker`."""

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from messages.acceptance import Acceptor, Checked, Result
from messages.catalogue import Catalogue
from messages.circuit import Circuit
from messages.clock import Clock
from messages.delivery import Channel
from messages.doorbell import Doorbell
from messages.outgoing import Attachment, EmailChannel, Permit, SmsChannel
from messages.reconciliation import AskPolicy
from messages.rendering.bounded import BoundedRenderer
from messages.retry import RetryPolicy
from messages.store import Claimed, Store
from tasks.alone import Alone
from tasks.gathering import Gathering
from tasks.pacing import Pace
from tasks.progress import Progress
from tasks.stopping import Stopping


class Bridge(Protocol):
    """The one bridge from the synchronous tasks to the asynchronous channels."""

    def run_all(self, jobs: Iterable[Coroutine[Any, Any, object]]) -> None:
        """Run the jobs together, to their ends."""

    def start(self, jobs: Iterable[Coroutine[Any, Any, object]]) -> None:
        """Run the jobs without waiting for them."""

    def finish(self, timeout: float) -> None:
        """Wait for the jobs that were started, for at most `timeout` seconds."""


class Fetcher(Protocol):
    """Fetches attachments that are given by URL."""

    def fetched(
        self, attachments: Sequence[Attachment], permit: Permit
    ) -> AbstractAsyncContextManager[tuple[Attachment, ...]]:
        """The attachments, those given by URL with their content. Raises AttachmentError, FetchPostponed."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything a task uses."""

    store: Store
    acceptor: Acceptor
    catalogue: Catalogue
    renderer: BoundedRenderer
    doorbell: Doorbell
    entrance: Gathering[Sequence[Checked], list[Result]]  #: Messages that are accepted together
    claims: Mapping[Channel, Gathering[Sequence[str], list[Claimed]]]  #: of ids
    alone: Alone
    bridge: Bridge
    circuits: Mapping[Channel, Circuit]
    pace: Pace
    progress: Progress
    stopping: Stopping
    sms: SmsChannel
    email: EmailChannel
    fetcher: Fetcher
    clock: Clock
    broker_clock: Clock  #: the broker's; raises whatever the broker's client raises
    random: Callable[[], float]  #: numbers in [0, 1)
    retries: RetryPolicy
    asking: AskPolicy
    hold_email: bool  #: an e-mail that may have been sent is not sent again
    worker: Callable[[], str | None]  #: this process, as it shows life on the broker
    is_quiet: Callable[[], bool]  #: whether this process has little to do
    lease_ms: int
    hand_over_ms: int  #: the longest that a hand-over may take, once begun
    dealership: str
    close: Callable[[], None]  #: closes all connections; nothing may be under way
    media_url: Callable[[Attachment], str]  #: where an SMS provider fetches kept content
