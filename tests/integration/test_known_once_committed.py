"""The store goes away right after the COMMIT: what is stored is answered as stored, and not 503."""

from collections.abc import Collection, Sequence

import httpx
import pytest

from intake.app import create_app
from messages.errors import StoreUnavailable
from messages.relations import Key, Objects
from messages.settings import load_settings
from messages.store import Store, Stored
from messages.view import show
from tests.servers.http import serve

HELLO = {"externalPhoneNumber": "804-222-1111", "externalEmail": "dana@example.com", "text": "Hello"}
ALL = {"params": {"depth": 1}}


class Blind(Store):
    """A store that can be written to, and not read."""

    def find(self, ids: Sequence[str]) -> list[Stored]:
        raise StoreUnavailable("planted")

    def objects(self, keys: Collection[Key]) -> Objects:
        raise StoreUnavailable("planted")


@pytest.fixture
def client(broker_url, database_url):
    """Intake, which reads nothing of what it has stored."""
    app = create_app(load_settings(broker_url=broker_url, database_url=database_url))
    with serve(app) as url, httpx.Client(base_url=url, timeout=20) as client:
        app.state.door.store.close()
        app.state.door.store = Blind(database_url)
        yield client


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"id": "order-1"},
        {"sendAt": "2100-01-01T00:00:00Z", "expiresAt": "2100-01-02T00:00:00Z"},
        {"lead": {"id": "lead-1", "firstName": "Dana"}},
    ],
)
def test_the_answer_is_what_reading_it_back_would_have_given(client, store, more):
    answer = client.post("/api/messages", json=HELLO | more, **ALL)
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"] == show(store.find([answer.json()["data"]["id"]]), 0, store.objects)[0]


def test_a_repeat_is_answered_as_it_is_too(client, store, clock):
    given = HELLO | {"id": "order-1"}
    assert client.post("/api/messages", json=given, **ALL).status_code == 200
    store.cancel(["order-1"], "ada", clock())
    again = client.post("/api/messages", json=given, **ALL)
    assert again.status_code == 200, again.text
    assert again.json()["data"] == show(store.find(["order-1"]), 0, store.objects)[0]
    assert again.json()["data"]["status"] == "canceled"


def test_every_result_of_a_batch_is(client, store):
    given = [HELLO | {"id": "a"}, HELLO | {"id": "b", "lead": {"id": "lead-1"}}, HELLO | {"id": "a"}]
    answer = client.post("/api/messages/batch", json=given, **ALL)
    assert answer.status_code == 200, answer.text
    found = show(store.find(["a", "b", "a"]), 0, store.objects)
    assert [result["data"] for result in answer.json()["data"]] == found


def test_what_was_redriven_or_canceled_is_not_answered_503_either(client, store):
    client.post("/api/messages", json=HELLO | {"id": "order-1"})
    answer = client.post("/api/messages/order-1/cancel", **ALL)
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"] == show(store.find(["order-1"]), 0, store.objects)[0]
