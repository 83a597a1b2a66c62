"""The bench's Messages of the past are Messages like any other, in every table and on every store."""

from collections.abc import Callable

from bench.copies import copy
from messages.store import Accepted, Store
from messages.view import show


def test_copies_of_a_message_are_shown_as_it_is(
    store: Store, database_url: str, accept: Callable[..., Accepted]
):
    accept(id="pattern", externalEmail="dana@example.com", text="Hello")

    copy(database_url, "pattern", 3)

    assert store.page(None, 10, 1).total == 4
    pattern, copied = show(store.find(["pattern", "old-2"]), 0, store.objects)
    assert copied["id"] == "old-2"
    assert copied["text"] == "Hello"
    assert copied["createdAt"] < pattern["createdAt"]
    assert [d["to"] for d in copied["deliveries"]] == ["dana@example.com"]
    assert [d["id"] for d in copied["deliveries"]] == ["dlv_old2"]
    assert [e["type"] for e in copied["events"]] == [e["type"] for e in pattern["events"]]
