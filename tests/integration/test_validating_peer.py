"""The bench's yardstick of intake is intake: it checks and answers alike, and only stores nothing."""

import httpx

from bench.peers.validating_endpoint import CheckingDoor
from intake.app import create_app
from messages.settings import load_settings
from messages.store import Store
from tests.integration.conftest import HELLO
from tests.servers.http import is_error, serve


def test_a_message_is_answered_and_not_stored(broker_url: str, sqlite_url: str):
    settings = load_settings(broker_url=broker_url, database_url=sqlite_url)
    with serve(create_app(settings, CheckingDoor)) as url, httpx.Client(base_url=url, timeout=20) as client:
        data = client.post("/api/messages", json=HELLO | {"id": "given"}).json()["data"]
        wrong = client.post("/api/messages", json=HELLO | {"externalPhoneNumber": "5"})

    assert (data["id"], data["text"], data["status"]) == ("given", HELLO["text"], "queued")
    assert data["externalPhoneNumber"] == "+18042221111"
    is_error(wrong, 400)
    store = Store(settings.database)
    assert store.find(["given"]) == []
    store.close()
