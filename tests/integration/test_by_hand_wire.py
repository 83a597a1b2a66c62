"""Redrive and cancel over HTTP, and what of a Message expires: as API users meet it."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import redis

from messages.clock import system_clock, to_iso
from messages.delivery import Channel, Lease
from messages.states import DeliveryState
from messages.store import Result, Store
from tests.integration.conftest import HELLO
from tests.servers import wait_until
from tests.servers.http import is_error

BOTH = HELLO | {"externalEmail": "dana@example.com"}
KEY = "a-long-random-key"
#: What a page elsewhere, or one in a sandboxed frame, sends along.
ELSEWHERE = ["https://elsewhere.example", "null", "http://localhost.elsewhere.example:8000", "http://["]


@pytest.fixture
def end_as(sqlite_url: str) -> Iterator[Callable[..., None]]:
    """Have an attempt made of the Message's SMS, as a worker would; it ends in this state, or not at all."""
    store = Store(sqlite_url)

    def end(message: dict[str, Any], state: DeliveryState | None) -> None:
        ids = [d["id"] for d in message["deliveries"]]
        now = system_clock()
        claimed = store.claim(ids, Channel.SMS, Lease(now, now + 60_000))[0]
        if state:
            store.record([Result(claimed.claim, state, "permanent", error="No (21211).")], now)

    yield end
    store.close()


def post(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    response = client.post("/api/messages", json=HELLO | fields)
    assert response.status_code == 200, response.text
    data: dict[str, Any] = response.json()["data"]
    return data


def test_a_failed_message_is_redriven_and_enqueued_again(client, end_as, broker_url):
    message = post(client)
    with redis.Redis.from_url(broker_url) as broker:
        wait_until(lambda: broker.llen("sms") == 1)
        end_as(message, DeliveryState.FAILED)
        answer = client.post(f"/api/messages/{message['id']}/redrive").json()
        wait_until(lambda: broker.llen("sms") == 2)
    assert answer["success"] is True
    assert (answer["data"]["status"], answer["data"]["text"]) == ("queued", HELLO["text"])
    assert answer["data"]["events"][-1]["detail"] == "redriven by this machine"
    assert answer["data"] == client.get(f"/api/messages/{message['id']}").json()["data"]
    error = is_error(client.post(f"/api/messages/{message['id']}/redrive"), 409)
    assert error["message"].startswith(f"There is nothing to redrive in {message['id']}: its sms is queued;")
    assert error["fields"] == {"status": "is queued"}


def test_what_is_unknown_is_redriven_where_the_request_says_so(client, end_as):
    message = post(client)
    end_as(message, DeliveryState.UNKNOWN)
    url = f"/api/messages/{message['id']}/redrive"
    for params in ({}, {"unknown": "false"}):
        error = is_error(client.post(url, params=params), 409)
        assert "its sms is unknown" in error["message"]
        assert "?unknown=true" in error["message"]
    answer = client.post(url, params={"unknown": "true"}).json()["data"]
    assert answer["status"] == "queued"
    assert answer["events"][-1]["detail"] == "redriven by this machine, although it may have been sent"
    assert "unknown" in is_error(client.post(url, params={"unknown": "perhaps"}), 400)["fields"]


def test_a_message_that_waits_is_canceled(client):
    message = post(client, sendAt="2090-01-01T00:00:00Z")
    assert message["status"] == "scheduled"
    canceled = client.post(f"/api/messages/{message['id']}/cancel").json()["data"]
    assert (canceled["status"], canceled["deliveries"][0]["status"]) == ("canceled", "canceled")
    assert canceled["events"][-1]["detail"] == "canceled by this machine"
    error = is_error(client.post(f"/api/messages/{message['id']}/cancel"), 409)
    assert "its sms is canceled" in error["message"]


def test_what_is_being_sent_is_not_canceled_and_the_answer_says_so(client, end_as):
    message = post(client)
    end_as(message, None)
    error = is_error(client.post(f"/api/messages/{message['id']}/cancel"), 409)
    assert "its sms is being sent; only what is scheduled or queued can be withdrawn" in error["message"]


def test_a_cancel_of_one_of_two_deliveries_shows_what_is_left(client, end_as):
    message = post(client, **BOTH)
    end_as(message, None)
    answer = client.post(f"/api/messages/{message['id']}/cancel", params={"depth": 1})
    assert answer.status_code == 200
    states = {d["channel"]: d["status"] for d in answer.json()["data"]["deliveries"]}
    assert states == {"sms": "sending", "email": "canceled"}


@pytest.mark.parametrize("action", ["redrive", "cancel"])
@pytest.mark.parametrize("message_id", ["msg_nobody", "%00", "a" * 5000])
def test_an_unknown_message_is_404(client, action, message_id):
    assert (
        is_error(client.post(f"/api/messages/{message_id}/{action}"), 404)["message"] == "Message Not Found"
    )


def test_the_event_shows_which_key_it_was_and_never_the_key(serving, end_as):
    with serving(api_keys=f"another-long-random-key,{KEY}") as client:
        client.headers["Authorization"] = f"Bearer {KEY}"
        message = post(client)
        end_as(message, DeliveryState.FAILED)
        response = client.post(f"/api/messages/{message['id']}/redrive")
        shown = hashlib.sha256(KEY.encode()).hexdigest()[:8]
        assert response.json()["data"]["events"][-1]["detail"] == f"redriven by API key {shown}"
        assert KEY not in response.text
        del client.headers["Authorization"]
        for action in ("redrive", "cancel"):
            is_error(client.post(f"/api/messages/{message['id']}/{action}"), 401)


@pytest.mark.parametrize("origin", ELSEWHERE)
def test_without_keys_a_page_elsewhere_can_cancel_nothing(client, origin):
    """A form needs nobody's leave to be posted here by a browser, and these requests have no body."""
    message = post(client)
    is_error(client.post(f"/api/messages/{message['id']}/cancel", headers={"Origin": origin}), 401)
    assert client.get(f"/api/messages/{message['id']}").json()["data"]["status"] == "queued"
    own = {"Origin": str(client.base_url).rstrip("/")}
    assert client.post(f"/api/messages/{message['id']}/cancel", headers=own).status_code == 200


def test_a_store_that_is_away_is_503(serving):
    with serving(database_url="postgresql+psycopg://user:hidden@127.0.0.1:1/none") as client:
        is_error(client.post("/api/messages/x/cancel"), 503)


def test_the_openapi_page_describes_both_and_the_expiry(client):
    schema = client.get("/openapi.json").json()
    for action in ("redrive", "cancel"):
        responses = schema["paths"][f"/api/messages/{{message_id}}/{action}"]["post"]["responses"]
        assert set(responses) == {"200", "400", "401", "404", "409", "503"}
        assert "Idempotency-Key" not in responses["409"]["description"]
    redrive = schema["paths"]["/api/messages/{message_id}/redrive"]["post"]
    [unknown] = [p for p in redrive["parameters"] if p["name"] == "unknown"]
    assert (unknown["schema"]["default"], "arrive twice" in unknown["description"]) == (False, True)
    assert schema["components"]["schemas"]["NewMessage"]["properties"]["expiresAt"]
    delivery = post(client, expiresAt="2090-01-01T00:00:00+02:00")["deliveries"][0]
    assert delivery["expiresAt"] == "2089-12-31T22:00:00.000Z"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"expiresAt": "tomorrow"}, "'tomorrow' is not a time"),
        ({"expiresAt": "2090-01-01T00:00:00"}, "is not a time; write it like"),
        ({"expiresAt": "9999-12-31T23:59:59-10:00"}, "is not a time"),
        ({"expiresAt": 5}, "5 is wrong: should be a string"),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, "'2020-01-01T00:00:00Z' lies in the past"),
        (
            {"sendAt": "2090-01-01T00:00:00Z", "expiresAt": "2090-01-01T01:00:00+01:00"},
            "is not after sendAt, '2090-01-01T00:00:00Z': it would never be sent",
        ),
    ],
)
def test_an_expiry_that_makes_no_sense_is_400_and_named(client, fields, said):
    error = is_error(client.post("/api/messages", json=HELLO | fields), 400)
    assert said in error["fields"]["expiresAt"]
    assert client.get("/api/messages").json()["totalCount"] == 0


def test_a_message_is_repeated_harmlessly_also_when_it_has_expired(client):
    soon = to_iso(system_clock() + 700)
    first = post(client, id="order-1", expiresAt=soon)
    wait_until(lambda: to_iso(system_clock()) > soon)
    again = post(client, id="order-1", expiresAt=soon)
    assert again == first
    is_error(client.post("/api/messages", json=HELLO | {"id": "order-2", "expiresAt": soon}), 400)
