"""An SMS in doubt, and what may be done about one."""

import pytest

from messages.delivery import Beginning, Channel, Lease
from messages.reconciliation import AskPolicy, Listed, text_hash
from messages.states import DeliveryState
from messages.store import Result
from tests.stored import shown

TO = "804-222-1111"
POLICY = AskPolicy(settle_ms=60_000, max_age_ms=86_400_000, max_pause_ms=3_600_000)
HELLO = text_hash("Hello")
SENT = DeliveryState.SENT


@pytest.fixture
def delivery(store):
    def get(accepted):
        return shown(store, accepted.message_id)["deliveries"][0]

    return get


@pytest.fixture
def begin(store, accept, clock):
    """Accept an SMS, claim and begin it; gives the Message and the claim."""

    def one(text="Hello", to=TO, lease=120):
        accepted = accept(externalPhoneNumber=to, text=text)
        ids = [i for i, _ in accepted.waiting]
        lease_until = clock() + lease * 1000
        claim = store.claim(ids, Channel.SMS, Lease(clock(), lease_until))[0].claim
        assert store.begin([Beginning(claim, text_hash(text))], clock()) == [True]
        return accepted, claim

    return one


@pytest.fixture
def lose(store, begin, clock):
    """Likewise, and nobody knows what came of it."""

    def one(**changes):
        accepted, claim = begin(**changes)
        result = Result(claim, DeliveryState.UNKNOWN, "ambiguous", error="No answer.", segments=1)
        assert store.record([result], clock()) == [True]
        return accepted, claim

    return one


def take(store, clock, limit=10):
    return store.take_unknown(clock(), POLICY, limit)


def listed(clock, sid="SM1", text=HELLO):
    return Listed(sid, text, clock() // 1000 * 1000)


def report(store, claim, clock, sid="SM1"):
    return store.report(claim.delivery_id, sid, SENT, detail="Reported.", now=clock())
