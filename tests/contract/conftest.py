"""What several of the store's contract tests begin with."""

from collections.abc import Callable

import pytest

from messages.delivery import Channel, Claim, Lease
from messages.store import Store
from tests.conftest import Ticking
from tests.contract.in_doubt import begin, delivery, lose  # noqa: F401


@pytest.fixture
def claims(store: Store, accept: Callable[..., object], clock: Ticking) -> list[Claim]:
    """Four, of as many Messages."""
    ids = [
        accept(id=f"m-{number}", externalEmail="dana@customer.example", text="Hello").waiting[0][0]
        for number in range(4)
    ]
    claimed = store.claim(ids, Channel.EMAIL, Lease(clock(), clock() + 60_000, "w1"))
    return sorted((one.claim for one in claimed), key=lambda claim: claim.message_id)
