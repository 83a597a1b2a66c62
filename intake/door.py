"""The composition root of intake: everything it is made of, built once per process."""

import time
from asyncio import Semaphore, get_running_loop, to_thread
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from celery import Celery

from intake.body import Bodies
from intake.client_address import ClientAddresses
from intake.gate import Gate
from intake.metrics import ACCEPTED
from intake.ringer import Ringer
from messages.acceptance import Acceptor, Checked
from messages.by_hand import Action, carry_out, message_of
from messages.clock import system_clock
from messages.doorbell import Doorbell
from messages.draft import Draft
from messages.errors import Conflict, InvalidMessage, StoreUnavailable, Unforeseen
from messages.group import MAX_SECONDS, PATIENCE, Group
from messages.queues import PUBLISHER_CONFIG
from messages.settings import Settings
from messages.store import Accepted, Store, Stored
from messages.twilio_codes import CODES, read_codes

#: Each has up to a thousand Messages in memory, and the answer to each.
BATCHES_AT_ONCE = 2

#: How many Messages are rendered at a time to find what they lack. More than there are render processes, so
#: that Messages which need none get past those that do.
RENDER_THREADS = 6

#: What became of one Message: it as it is in the store, or why it is not.
Outcome = Stored | InvalidMessage | Conflict | Unforeseen | StoreUnavailable

#: How long storing may take from its beginning, up to the COMMIT, in seconds. Before it something waited
#: `PATIENCE` at most, and a second is left for the COMMIT: what was answered 503 is not stored afterwards.
COMMIT_SECONDS = MAX_SECONDS - PATIENCE - 1


class Door:
    """Intake's parts, and the one thing it does: accept."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = system_clock
        self.store = Store(settings.database)
        self.twilio_codes = {**CODES, **read_codes(settings.twilio_errors_file)}
        self.gate = Gate([key.get_secret_value() for key in settings.api_keys])
        self.clients = ClientAddresses(settings.trusted_proxies)
        self.bodies = Bodies(settings.max_body_bytes, settings.body_timeout_seconds)
        self.acceptor = Acceptor.from_settings(settings, self.store, self.clock)
        publisher = Celery("roundsman-intake", set_as_current=False)
        publisher.conf.update(PUBLISHER_CONFIG | settings.broker_connection.celery_config)
        self.doorbell = Doorbell(publisher, in_haste=True)
        #: Whose turn it is among batches: few are checked, stored and shown at once.
        self.batches = Semaphore(BATCHES_AT_ONCE)
        self._ringer = Ringer(self.doorbell)
        self._group = Group[Sequence[Checked], list[Outcome]](self._commit)
        self._signing_key: bytes | None = None
        self._rendering = ThreadPoolExecutor(RENDER_THREADS, thread_name_prefix="render")

    async def check_template(self, draft: Draft) -> None:
        """Render it in a thread, without sending. Raises InvalidMessage."""
        loop = get_running_loop()
        await loop.run_in_executor(self._rendering, self.acceptor.check_template, draft)

    async def accept(self, checked: Sequence[Checked]) -> list[Outcome]:
        """Store these in one transaction, and have them enqueued; in order. Raises StoreUnavailable.

        It is also the outcome of those for which the store went away when others were stored already.
        """
        return await self._group.submit(checked, weight=len(checked))

    def by_hand(self, action: Action, message_id: str, by: str, *, even_unknown: bool = False) -> Stored:
        """Redrive or cancel, and have enqueued what waits again. Blocks.

        Raises MessageNotFound, NothingToDo, StoreUnavailable.
        """
        now = self.clock()
        done = carry_out(self.store, action, [message_id], by, now, even_unknown=even_unknown)
        stored = message_of(action, message_id, done)
        if action is Action.REDRIVE:
            self._ringer.ring(done.moved, now)
        return stored

    async def signing_key(self) -> bytes:
        """The key of signed URLs: from the settings, else from the store, which all processes share."""
        if self._signing_key is None:
            given = self.settings.signing_key
            self._signing_key = (
                given.get_secret_value().encode() if given else await to_thread(self.store.signing_key)
            )
        return self._signing_key

    async def close(self) -> None:
        """Finish what was begun, and close all connections."""
        await self._group.close()
        self._ringer.close()
        self._rendering.shutdown()
        self.acceptor.close()
        self.doorbell.close()
        self.store.close()

    def _commit(self, entries: Sequence[Sequence[Checked]]) -> list[list[Outcome]]:
        """Runs in the commit thread: store, and enqueue. Nothing after the COMMIT needs the store."""
        until = time.monotonic() + COMMIT_SECONDS
        results = self.acceptor.accept_each([one for entry in entries for one in entry], until)
        accepted = [result for result in results if isinstance(result, Accepted)]
        waiting = [delivery for result in accepted for delivery in result.waiting]
        self._ringer.ring(waiting, min((r.rung_at for r in accepted if r.waiting), default=0))
        ACCEPTED.inc(sum(result.is_new for result in accepted))
        outcomes = iter([r.stored if isinstance(r, Accepted) else r for r in results])
        return [list(islice(outcomes, len(entry))) for entry in entries]
