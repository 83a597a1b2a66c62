"""The permit under which one Delivery is handed over: its claim, or what was found and will be its claim."""

import asyncio
from dataclasses import dataclass

from messages.delivery import Beginning, Claim
from messages.reconciliation import text_hash
from tasks.pacing import Passage
from tasks.parts import Parts


@dataclass(slots=True, eq=False)
class ClaimPermit:
    """Leave to hand over what is held, or was found, as long as that can end under the lease.

    And as long as it has not expired.
    """

    parts: Parts
    claim: Claim
    text: str | None = None  #: of an SMS
    passage: Passage | None = None  #: where its sender has a rate
    begun: bool = False  #: something may have been written
    is_held: bool = True  #: else it is only found yet, and claimed as it begins
    unanswered: bool = False  #: that was tried, and nobody said whether it came to that

    @property
    def begin_by(self) -> int:
        """In ms since the epoch."""
        by_lease = self.claim.lease.until - self.parts.hand_over_ms
        return min(by_lease, self.claim.expires_at or by_lease)

    @property
    def postponed_until(self) -> int | None:
        """Its place in the line of its sender, in ms since the epoch; None: it was let through."""
        if self.passage is None or self.passage.come_again_in is None:
            return None
        return self.parts.clock() + self.passage.come_again_in

    @property
    def bulk(self) -> bool:
        """Whether it gives way to what is alone."""
        return self.claim.bulk

    async def begin(self) -> bool:
        """Mark it in the store, together with others that begin now. Raises StoreUnavailable."""
        if self.passage is not None and not await self.passage.is_open():
            return False
        hashed = None if self.text is None else text_hash(self.text)
        beginning = Beginning(self.claim, hashed)
        if self.is_held:
            self.begun = await self.parts.progress.begin(beginning)
            return self.begun
        self.unanswered = True
        self.begun = self.is_held = await self.parts.progress.claim_and_begin(beginning)
        self.unanswered = False
        return self.begun

    async def take(self) -> bool:
        """Claim what ended before it began, so that it can be recorded. Raises StoreUnavailable."""
        again, self.unanswered = self.unanswered, True
        self.is_held = await asyncio.to_thread(
            self.parts.store.take, self.claim, self.parts.clock(), again=again
        )
        self.unanswered = False
        return self.is_held
