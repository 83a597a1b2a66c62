"""A Message alone goes the short way; with a query it goes FastAPI's. Nobody can tell which."""

from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from intake.app import create_app
from intake.door import Door, Outcome
from messages.acceptance import Checked
from messages.settings import load_settings
from tests.integration.conftest import HELLO
from tests.servers.http import serve

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def requests() -> dict[str, dict[str, Any]]:
    keyed = JSON | {"Idempotency-Key": "once"}
    return {
        "right": {"json": HELLO | {"id": "right"}},
        "right, with a key": {"json": HELLO, "headers": keyed},
        "another with that key": {"json": HELLO | {"text": "Another"}, "headers": keyed},
        "an empty key": {"json": HELLO, "headers": {"Idempotency-Key": ""}},
        "two keys": {
            "json": HELLO,
            "headers": [("Idempotency-Key", "once"), ("Idempotency-Key", "n\xf6".encode("latin-1"))],
        },
        "a key that is none": {"json": HELLO, "headers": {"Idempotency-Key": "n\xf6".encode("latin-1")}},
        "a key that is too long": {"json": HELLO, "headers": {"Idempotency-Key": "k" * 256}},
        "a wrong field": {"json": HELLO | {"id": 5, "externalEmail": "x"}},
        "an unknown template": {"json": HELLO | {"template": "nowhere"}},
        "nobody to send to": {"json": {"text": "Hello"}},
        "no JSON": {"content": b"{", "headers": JSON},
        "nothing": {"content": b"", "headers": JSON},
        "a list": {"json": []},
        "another type": {"content": b"{}", "headers": {"Content-Type": "text/plain"}},
        "another encoding": {"json": HELLO, "headers": {"Content-Encoding": "gzip"}},
        "another host": {"json": HELLO, "headers": {"Host": "elsewhere.example"}},
        "another origin": {"json": HELLO, "headers": {"Origin": "https://elsewhere.example"}},
        "too large": {"content": b" " * 2001, "headers": JSON},
    }


def answer(client: httpx.Client, path: str, request: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
    response = client.post(path, **request)
    headers = {name: value for name, value in response.headers.items() if name != "date"}
    return response.status_code, response.json(), headers


def test_both_ways_give_the_same_answers(serving, requests):
    with serving(max_body_bytes=2000) as client:
        answers = {name: answer(client, "/api/messages", request) for name, request in requests.items()}

        assert {code for code, _, _ in answers.values()} == {200, 400, 401, 409, 413, 415}
        for name, request in requests.items():  # what was accepted is repeated, and shown as it is
            assert answer(client, "/api/messages?depth=0", request) == answers[name], name


def test_a_store_that_is_away_is_told_in_the_same_words_both_ways(serving, sqlite_url, tmp_path):
    missing = f"sqlite:///{tmp_path / 'missing' / 'store.db'}"
    with serving(database_url=missing) as client:
        answers = [answer(client, f"/api/messages{query}", {"json": HELLO}) for query in ("", "?depth=0")]

    assert answers[0][0] == 503
    assert answers[0] == answers[1]


class BrokenDoor(Door):
    """Fails as nobody foresaw."""

    async def accept(self, checked: Sequence[Checked]) -> list[Outcome]:
        raise LookupError("a secret")


def test_what_nobody_foresaw_is_answered_in_the_same_words_both_ways(broker_url, sqlite_url):
    settings = load_settings(broker_url=broker_url, database_url=sqlite_url)
    with serve(create_app(settings, BrokenDoor)) as url, httpx.Client(base_url=url, timeout=20) as client:
        answers = [answer(client, f"/api/messages{query}", {"json": HELLO}) for query in ("", "?depth=0")]

    assert answers[0][0] == 500
    assert answers[0] == answers[1]
    assert "secret" not in str(answers)


def test_a_repeated_header_counts_as_where_it_came_first(serving):
    with serving(api_keys="right-key-right-key") as client:
        keys = [("Authorization", "Bearer right-key-right-key"), ("Authorization", "Bearer another")]
        codes = [
            client.post("/api/messages", json=HELLO, headers=given).status_code
            for given in (keys, keys[::-1])
        ]

    assert codes == [200, 401]
