"""Roundsman's own POST without its store and queue: `uvicorn bench.peers.validating_endpoint:app`.

It is intake itself, served as intake is, but for its door: that checks, and answers with the Message as it
was given. What it does in a second is what durability is paid from.
"""

from collections.abc import Sequence
from types import SimpleNamespace

import orjson

from intake.app import create_app
from intake.door import Door, Outcome
from messages.acceptance import Checked
from messages.draft import Draft
from messages.states import DeliveryState
from messages.store import Stored


class _Unstored(Stored):
    """It has no Deliveries to tell its status by."""

    @property
    def status(self) -> DeliveryState:
        """That of any new one."""
        return DeliveryState.QUEUED


class CheckingDoor(Door):
    """Accepts all, and keeps nothing."""

    async def accept(self, checked: Sequence[Checked]) -> list[Outcome]:
        """As if these were stored."""
        return [self._as_if_stored(one) if isinstance(one, Draft) else one for one in checked]

    def _as_if_stored(self, draft: Draft) -> Stored:
        message = SimpleNamespace(
            id=draft.id or draft.made_id,
            fields=orjson.dumps(draft.fields).decode(),
            created_at=self.clock(),
            warnings=None,
        )
        return _Unstored(message, [], {}, [])


app = create_app(door=CheckingDoor)
