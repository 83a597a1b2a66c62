"""What tests do with a store, and read from it: the same on every database."""

from messages.delivery import Channel, Lease
from messages.store import Accepted, Claimed, Store
from messages.view import show
from tests.conftest import Ticking

BOTH = {"externalPhoneNumber": "804-222-1111", "externalEmail": "dana@example.com", "text": "Hello"}


def claim(
    store: Store, accepted: Accepted, channel: Channel, clock: Ticking, lease: float = 60
) -> list[Claimed]:
    ids = [delivery_id for delivery_id, _ in accepted.waiting]
    return store.claim(ids, channel, Lease(clock(), clock() + int(lease * 1000)))


def shown(store: Store, message_id: str, depth: int = 0) -> dict:
    return show(store.find([message_id]), depth, store.objects)[0]


def states(store: Store, message_id: str) -> dict[str, str]:
    return {d["channel"]: d["status"] for d in shown(store, message_id)["deliveries"]}
