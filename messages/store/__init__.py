"""The store: all the SQL, and the one place that says what can be asked of it.

Synchronous. Every method is one transaction and raises StoreUnavailable when the database cannot
be reached. Times are milliseconds since the epoch, UTC.
"""

from collections.abc import Collection, Sequence

from messages.circuit import CircuitChange
from messages.clock import Clock
from messages.delivery import Beginning, Channel, Claim, Lane, Lease, Waiting
from messages.draft import Draft
from messages.errors import Conflict, InvalidMessage
from messages.outcomes import ActionBy
from messages.outgoing import Attachment
from messages.reconciliation import AskPolicy, CannotTell, Listed, Unsettled, Verdict
from messages.relations import Key, Objects
from messages.retry import Decision
from messages.states import DeliveryState
from messages.store import (
    accepting,
    alone,
    by_hand,
    progress,
    providing,
    reading,
    refusing,
    related,
    reporting,
    revision,
    settling,
    sweeping,
    unreadable,
)
from messages.store.accepting import Accepted, NewMessage
from messages.store.by_hand import ByHand
from messages.store.claiming import Claimed
from messages.store.database import Database
from messages.store.probe import Probe
from messages.store.reading import Page, Stored
from messages.store.recording import Result
from messages.store.refusing import Refused, RefusedEntry
from messages.store.reporting import Reported
from messages.store.totals import Totals

__all__ = [
    "Accepted",
    "ByHand",
    "Claimed",
    "NewMessage",
    "Page",
    "Refused",
    "RefusedEntry",
    "Reported",
    "Result",
    "Store",
    "Stored",
    "Waiting",
]

#: The most rows one sweep moves at a time, so that no transaction is long.
SWEEP_LIMIT = 1000

#: Seconds after a fault of the store for which an expired lease is not taken for a worker that died.
_OUTAGE_SECONDS = 60.0

#: The most that dead workers are taken to have claimed. The leases of what may be beyond that run out.
MAX_CLAIMED = 10_000


class Store:
    """The store at `url`, which begins with `sqlite:///` or `postgresql+psycopg://`."""

    def __init__(self, url: str) -> None:
        self._db = Database(url)
        self._totals = Totals()
        self._probe = Probe(self._db)

    def close(self) -> None:
        """Close all connections."""
        self._db.close()

    def ping(self) -> None:
        """Raise StoreUnavailable unless the store answers and is migrated."""
        with self._db.read() as tx:
            reading.ping(tx)

    def check_revision(self) -> None:
        """Raise StoreOutdated if the schema is older than this version needs; StoreUnavailable."""
        with self._db.read() as tx:
            revision.check_revision(tx, self._db.engine.url)

    def check_writable(self) -> None:
        """Raise StoreUnavailable unless all tables can be written to, and a commit succeeds.

        Writes at most four times per second, however often it is called.
        """
        self._probe.check()

    # Accepting

    def accept(
        self,
        entries: Sequence[NewMessage],
        clock: Clock,
        until: float | None = None,
        object_bytes: int | None = None,
    ) -> list[Accepted | Conflict]:
        """Store new Messages, each id and Idempotency-Key once; results in the order of `entries`.

        The clock is read once it is our turn: others, who had theirs before, enqueued theirs before too.
        `until`, by time.monotonic(): later than that nothing is stored. `object_bytes`: no related object
        becomes larger by what is given of it; it then stays as it was.
        """
        with self._db.write(until) as tx:
            return accepting.accept(tx, entries, clock(), object_bytes)

    def find_repeat(self, draft: Draft) -> Accepted | Conflict | None:
        """The stored Message that the Draft repeats; Conflict: it has other content; None: there is none."""
        if draft.id is None and draft.idempotency_key is None:
            return None
        with self._db.read() as tx:
            return accepting.find_repeats(tx, [draft])[0]

    def refuse(self, entries: Sequence[RefusedEntry], now: int) -> None:
        """Keep refused entries of the queue entrance."""
        with self._db.write() as tx:
            refusing.refuse(tx, entries, now)

    # Sending

    def claim(self, ids: Collection[str], channel: Channel, lease: Lease) -> list[Claimed]:
        """Take those that wait, atomically; empty when others were faster."""
        return unreadable.claim_readable(self._db, list(ids), channel, lease)

    def find_alone(self, delivery_id: str, channel: Channel, lease: Lease) -> Claimed | None:
        """One that waits, was never tried nor rung for again, as it will be claimed when it begins."""
        return unreadable.find_readable(self._db, delivery_id, channel, lease)

    def claim_and_begin(self, begun: Sequence[Beginning], now: int) -> list[bool]:
        """Claim what was found, as it is about to go on the wire; False for those that others have."""
        return alone.claim_and_begin(self._db, begun, now)

    def take(self, claim: Claim, now: int, *, again: bool = False) -> bool:
        """Claim what was found and did not begin; False: others were faster, and nothing may be recorded.

        `again`: it was tried before, and the answer was lost.
        """
        return alone.take(self._db, claim, now, again=again)

    def begin(self, begun: Sequence[Beginning], now: int) -> list[bool]:
        """Mark what is about to go on the wire; False for those that are no longer held."""
        return self.write_progress(begun, (), now)[0]

    def record(self, results: Sequence[Result], now: int) -> list[bool]:
        """Write what came of attempts; False for those that were no longer held, which write nothing."""
        return self.write_progress((), results, now)[1]

    def write_progress(
        self, begun: Sequence[Beginning], results: Sequence[Result], now: int
    ) -> tuple[list[bool], list[bool]]:
        """`record` and `begin` in one commit: what ends makes room for what begins, so they come together."""
        return progress.write_progress(self._db, begun, results, now)

    def postpone(self, ids: Collection[str], until: int) -> None:
        """Let queued Deliveries wait until then, without an attempt."""
        with self._db.write() as tx:
            providing.postpone(tx, ids, until)

    def note_circuit(self, channel: Channel, change: CircuitChange, now: int) -> None:
        """Write down that a provider's circuit opened or closed."""
        with self._db.write() as tx:
            providing.note_circuit(tx, channel, change, now)

    def open_circuits(self, now: int) -> dict[Channel, str]:
        """The channels whose circuit is open, and why."""
        with self._db.read() as tx:
            return providing.open_circuits(tx, now)

    # Settling what is in doubt

    def take_unknown(self, now: int, policy: AskPolicy, limit: int) -> list[Unsettled]:
        """SMS in doubt to ask the provider about now, each given to one caller only."""
        with self._db.read() as tx:
            if not settling.any_due(tx, now, policy):
                return []
        with self._db.write() as tx:
            return settling.take_due(tx, now, policy, limit)

    def settle(
        self, asked: Unsettled, listed: Sequence[Listed] | CannotTell, again: Decision, now: int
    ) -> Verdict:
        """Judge by what the provider lists, and move the Delivery; `again` follows where it was not sent."""
        with self._db.write() as tx:
            if not isinstance(listed, CannotTell):
                return settling.settle(tx, asked, listed, again, now)
            settling.note_in_doubt(tx, asked, listed.reason)
            return listed

    def report(
        self,
        delivery_id: str,
        provider_id: str,
        after: DeliveryState,
        *,
        detail: str,
        code: str | None = None,
        action_by: ActionBy = ActionBy.OPERATOR,
        now: int,
    ) -> Reported:
        """A provider reports a Delivery; it moves if that is further than it is: see `receipts.moves_of`."""
        with self._db.read() as tx:
            found = reporting.report_state(tx, delivery_id, provider_id, after)
        if found is not Reported.MOVED:
            return found
        with self._db.write() as tx:
            return reporting.report(
                tx, delivery_id, provider_id, after, detail=detail, code=code, action_by=action_by, now=now
            )

    # Sweeping

    def sweep(
        self,
        now: int,
        lost_before: dict[Lane, int],
        give_up_before: int,
        *,
        max_attempts: int | None = None,
        hold_email: bool = False,
        ask_after: int = 0,
        clock: Clock | None = None,
        voiding: bool = True,
    ) -> Waiting:
        """One round: void leases, expire, promote, and take what must be rung. See `sweeping`.

        Each step is a transaction of its own: each locks Messages in order, but not all of them. `clock`:
        read for the time of the ring once it is the last one's turn, if not `now` is to do. `voiding`:
        False leaves leases alone. After an outage of the store no lease that ended makes a Delivery fail:
        its worker may have been alive, and unable to record the outcome.
        """
        with self._db.read() as tx:
            if not sweeping.any_due(tx, now, lost_before):
                return []
        if self._db.availability.has_failed_within(_OUTAGE_SECONDS):
            give_up_before, max_attempts = 0, None
        steps = sweeping.voiding(
            now, give_up_before, max_attempts, hold_email=hold_email, ask_after=ask_after
        )
        for step in steps if voiding else ():
            with self._db.write() as tx:
                sweeping.void(tx, step, now, SWEEP_LIMIT)
        with self._db.write() as tx:
            sweeping.expire(tx, now, SWEEP_LIMIT)
        with self._db.write() as tx:
            sweeping.promote_scheduled(tx, now, SWEEP_LIMIT)
        with self._db.write() as tx:
            return sweeping.take_unrung(tx, clock() if clock else now, lost_before, SWEEP_LIMIT)

    def void_unbegun(
        self, workers: Collection[str], now: int, give_up_before: int, *, max_attempts: int | None = None
    ) -> None:
        """What these workers claimed and did not begin is queued again: they are dead, or slow."""
        for step in sweeping.voiding_unbegun(workers, now, give_up_before, max_attempts):
            with self._db.write() as tx:
                sweeping.void(tx, step, now, MAX_CLAIMED)

    # By hand; `by` is who does it, for the event

    def redrive(self, message_ids: Sequence[str], by: str, now: int, *, even_unknown: bool = False) -> ByHand:
        """Queue what failed or expired, if `even_unknown` what may have been sent too; ring what is moved."""
        with self._db.write() as tx:
            return by_hand.redrive(tx, message_ids, by, now, even_unknown=even_unknown)

    def redrive_failed(self, since: int, until: int, by: str, now: int) -> Waiting:
        """Likewise what failed from `since` to `until`, a part of it: call it until nothing is returned."""
        with self._db.write() as tx:
            return by_hand.redrive_failed(tx, (since, until), by, now, SWEEP_LIMIT)

    def cancel(self, message_ids: Sequence[str], by: str, now: int) -> ByHand:
        """Withdraw what nobody has begun to send."""
        with self._db.write() as tx:
            return by_hand.cancel(tx, message_ids, by, now)

    # Reading

    def find(self, ids: Sequence[str]) -> list[Stored]:
        """Messages by id, in this order; unknown ids are left out."""
        with self._db.read() as tx:
            return reading.find(tx, ids)

    def page(self, status: DeliveryState | None, limit: int, number: int) -> Page:
        """A page of Messages, newest first; `number` counts from 1."""
        with self._db.read() as tx:
            return reading.page(tx, status, limit, number, self._totals)

    def refused(self, limit: int) -> list[Refused]:
        """The latest refused entries, newest first."""
        with self._db.read() as tx:
            return refusing.list_refused(tx, limit)

    def find_refused(self, wanted: str, limit: int = 20) -> list[Refused]:
        """The refused entries of this id, or whose producer gave this id, newest first."""
        with self._db.read() as tx:
            return refusing.find_refused(tx, wanted, limit)

    def refuse_again(self, refused_id: str, error: InvalidMessage) -> None:
        """Replace the reason of a refused entry that was submitted again."""
        with self._db.write() as tx:
            refusing.refuse_again(tx, refused_id, error)

    def forget_refused(self, refused_id: str) -> None:
        """Delete a refused entry that was accepted after all."""
        with self._db.write() as tx:
            refusing.forget_refused(tx, refused_id)

    def waiting_by_state(self) -> dict[str, int]:
        """How many Deliveries are scheduled, queued, sending and unknown."""
        with self._db.read() as tx:
            return reading.waiting_by_state(tx)

    def waiting_for_rates(self) -> dict[Channel, int]:
        """How many Deliveries wait for their sender's rate, by channel."""
        with self._db.read() as tx:
            return reading.waiting_for_rates(tx)

    # Related objects and attachments

    def objects(self, keys: Collection[Key]) -> Objects:
        """Those of the related objects that are known, attachments without content."""
        with self._db.read() as tx:
            return related.find_objects(tx, keys)

    def attachments(self, ids: Collection[str]) -> dict[str, Attachment]:
        """Attachments with their content, by id."""
        with self._db.read() as tx:
            return related.find_attachments(tx, ids)

    def attachment_content(self, attachment_id: str) -> bytes | None:
        """The content of a kept attachment; None where there is none."""
        found = self.attachments([attachment_id]).get(attachment_id)
        return found.content if found else None

    def known_attachments(self, ids: Collection[str]) -> dict[str, related.KnownAttachment]:
        """Those of the attachments that were given before, by id."""
        with self._db.read() as tx:
            return related.known_attachments(tx, ids)

    def signing_key(self) -> bytes:
        """32 random bytes, the same for every process on this store."""
        with self._db.write() as tx:
            return related.signing_key(tx)
