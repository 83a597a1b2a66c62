"""The sandbox's reports: signed like Twilio's, after the answer, and to nobody but this machine."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from twilio.request_validator import RequestValidator

from messages.delivery import Channel
from tests.servers import wait_until
from tests.servers.http import serve
from tests.servers.sandbox import RunningSandbox, running_sandbox
from worker.sandbox.behaviours import BEHAVIOURS, Act
from worker.sandbox.callbacks import Callbacks
from worker.sandbox.inbox import Inbox
from worker.sandbox.sandbox import Sandbox

FORM = {"To": "+18042221111", "From": "+15005550006", "Body": "Hello"}


@dataclass
class Receiver:
    url: str = ""
    got: list[tuple[str, dict[str, str], str]] = field(default_factory=list)

    def statuses(self) -> list[str]:
        return [form["MessageStatus"] for _, form, _ in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()

    async def take(request: Request) -> Response:
        form = parse_qs((await request.body()).decode(), keep_blank_values=True)
        plain = {name: values[0] for name, values in form.items()}
        found.got.append((str(request.url), plain, request.headers["x-twilio-signature"]))
        return Response(status_code=500 if "broken" in request.url.path else 200)

    async def elsewhere(_: Request) -> Response:
        return Response(status_code=307, headers={"Location": f"{found.url}/redirected"})

    routes = [
        Route("/api/receipts/twilio/elsewhere", elsewhere, methods=["POST"]),
        Route("/{path:path}", take, methods=["POST"]),
    ]
    with serve(Starlette(routes=routes)) as url:
        found.url = f"{url}/api/receipts/twilio"
        yield found


@pytest.fixture
def sandbox(receiver) -> Iterator[RunningSandbox]:
    intakes = ("http://127.0.0.1:1", receiver.url.removesuffix("/api/receipts/twilio"))
    with running_sandbox(Sandbox(callbacks=Callbacks(0.01, intakes=intakes), slow_seconds=0.2)) as running:
        yield running


def post(sandbox: RunningSandbox, callback: str, **fields: str) -> dict:
    form = FORM | {"StatusCallback": callback} | fields
    return sandbox.http.post(sandbox.messages_url, data=form).json()


def test_what_becomes_of_an_sms_is_reported_in_order_and_signed(sandbox, receiver):
    sid = post(sandbox, f"{receiver.url}/dlv_1")["sid"]
    wait_until(lambda: receiver.statuses() == ["sent", "delivered"])
    for url, form, signature in receiver.got:
        assert (form["MessageSid"], form["To"], url) == (sid, FORM["To"], f"{receiver.url}/dlv_1")
        assert RequestValidator(sandbox.sandbox.auth_token).validate(url, form, signature)


def test_an_sms_whose_answer_is_lost_is_reported_too(sandbox, receiver):
    drop = next(b.address for b in BEHAVIOURS if (b.channel, b.act) == (Channel.SMS, Act.DROP))
    with pytest.raises(httpx.TransportError):
        post(sandbox, f"{receiver.url}/dlv_1", To=drop)
    wait_until(lambda: receiver.statuses() == ["sent", "delivered"])


def test_a_receiver_that_fails_or_is_away_holds_up_no_other(sandbox, receiver):
    away = "http://127.0.0.1:1/api/receipts/twilio/away"
    for callback in (away, f"{receiver.url}/broken", f"{receiver.url}/dlv_1"):
        post(sandbox, callback)
    wait_until(lambda: len(receiver.got) == 4)


def test_redirect_of_a_receiver_is_not_followed(sandbox, receiver):
    post(sandbox, f"{receiver.url}/elsewhere")
    post(sandbox, f"{receiver.url}/dlv_1")
    wait_until(lambda: len(receiver.got) == 2)
    assert {url for url, _, _ in receiver.got} == {f"{receiver.url}/dlv_1"}


OURS = Callbacks(
    intakes=("https://messages.example/x", "http://127.0.0.1:8123/base", "http://127.0.0.1:8000")
)


def waiting_after(callbacks: Callbacks, callback: str | None) -> int:
    callbacks.add(Inbox().add_sms(to="+1", sender=None, body="", status_callback=callback))
    return len(callbacks)


@pytest.mark.parametrize(
    "callback",
    [
        None,
        "https://messages.example/x/api/receipts/twilio/d",
        "http://127.0.0.1.example:8000/api/receipts/twilio/d",
        "http://127.0.0.1:8000@elsewhere.example/api/receipts/twilio/d",
        "http://me@127.0.0.1:8000/api/receipts/twilio/d",
        "http://127.0.0.1/api/receipts/twilio/d",
        "http://127.0.0.1:6390/api/receipts/twilio/d",
        "http://127.0.0.1:99999/api/receipts/twilio/d",
        "https://127.0.0.1:8000/api/receipts/twilio/d",
        "http://127.0.0.1:8000/api/messages/msg_1/cancel",
        "http://127.0.0.1:8000/api/receipts/../messages/msg_1/cancel",
        "http://127.0.0.1:8000/api/receipts/%2e%2e/messages/msg_1/cancel",
        "http://127.0.0.1:8000/api/receipts/x/%2E./%2e./messages/msg_1/cancel",
        "http://127.0.0.1:8000/api/receipts/..%2fmessages/msg_1/cancel",
        "http://127.0.0.1:8000/api/receipts/..\\messages/msg_1/cancel",
        "http://127.0.0.1:8000/api/receiptsx/d",
        "http://127.0.0.1:8000/API/receipts/d",
        "http://127.0.0.1:8000//api/receipts/d",
        "http://127.0.0.1:8123/api/receipts/d",
        "http://127.0.0.1:8123/base/../api/receipts/d",
    ],
)
def test_nothing_but_the_receipts_of_our_intake_is_called(callback):
    assert waiting_after(OURS, callback) == 0


@pytest.mark.parametrize(
    "callback",
    [
        "http://127.0.0.1:8000/api/receipts/twilio/dlv_01h.z~y-x",
        "http://localhost:8000/api/inbound/twilio",
        "http://127.0.0.1:8123/base/api/receipts/twilio/d",
    ],
)
def test_receipts_and_inbound_paths_of_our_intake_are_called(callback):
    ours = Callbacks(
        intakes=("https://messages.example", "http://127.0.0.1:8123/base", "http://127.0.0.1:8000")
    )
    assert waiting_after(ours, callback) == 1


def test_only_the_newest_wait():
    callbacks = Callbacks(remember=3)
    for n in range(10):
        waiting_after(callbacks, f"http://localhost:8000/api/receipts/twilio/{n}")
    assert len(callbacks) == 3
