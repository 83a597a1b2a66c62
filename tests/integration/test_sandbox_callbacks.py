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

    with serve(Starlette(routes=[Route("/{path}", take, methods=["POST"])])) as url:
        found.url = url
        yield found


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox(Sandbox(callbacks=Callbacks(delay=0.01), slow_seconds=0.2)) as running:
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
    for callback in ("http://127.0.0.1:1/away", f"{receiver.url}/broken", f"{receiver.url}/dlv_1"):
        post(sandbox, callback)
    wait_until(lambda: len(receiver.got) == 4)


@pytest.mark.parametrize("callback", [None, "https://messages.example/x", "http://127.0.0.1.example/x"])
def test_nobody_elsewhere_is_called(callback):
    callbacks, inbox = Callbacks(), Inbox()
    callbacks.add(inbox.add_sms(to="+1", sender=None, body="", status_callback=callback))
    assert len(callbacks) == 0
    callbacks.add(inbox.add_sms(to="+1", sender=None, body="", status_callback="http://localhost:1/x"))
    assert len(callbacks) == 1


def test_only_the_newest_wait():
    callbacks, inbox = Callbacks(remember=3), Inbox()
    for n in range(10):
        callbacks.add(inbox.add_sms(to="+1", sender=None, body="", status_callback=f"http://localhost:1/{n}"))
    assert len(callbacks) == 3
