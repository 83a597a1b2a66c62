"""Twilio's list at the wire: what it has of messages to one number, or that nobody can tell."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from messages.reconciliation import CannotTell, Listed, text_hash
from tests.conftest import Ticking
from tests.servers.sandbox import running_sandbox
from tests.servers.twilio import ACCOUNT, TOKEN, RawServer, TwilioServer, reply
from worker.channels import twilio_list
from worker.channels.sms import TwilioSms

TO = "+18042221111"
NOW = 1_700_000_000_000


def channel(url: str, **options: Any) -> TwilioSms:
    return TwilioSms(**{"account_sid": ACCOUNT, "auth_token": TOKEN, "base_url": url, "timeout": 2} | options)


async def ask(twilio: TwilioSms) -> Any:
    try:
        return await twilio.listed(TO)
    finally:
        await twilio.close()


def asked(prepare: Callable[[TwilioServer], Any]) -> Any:
    async def main() -> Any:
        async with TwilioServer() as server:
            server.clock = Ticking(NOW)
            prepare(server)
            return await ask(channel(server.url))

    return asyncio.run(main())


def answered(body: bytes, status: str = "200 OK") -> Any:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request_line(reader)
        writer.write(reply(status, body))
        await writer.drain()

    async def main() -> Any:
        async with RawServer(script) as server:
            return await ask(channel(server.url, timeout=0.5))

    return asyncio.run(main())


async def read_request_line(reader: asyncio.StreamReader) -> None:
    await reader.readuntil(b"\r\n\r\n")


def test_everything_to_the_number_is_listed_with_its_time_also_what_is_only_queued():
    def prepare(server):
        server.keep(TO, "Hello")
        server.keep("+18042229999", "To another number")
        server.keep(TO, "Later", status="delivered", date_sent="Tue, 14 Nov 2023 22:13:21 +0000")

    assert asked(prepare) == [
        Listed(f"SM{3:032x}", text_hash("Later"), NOW),
        Listed(f"SM{1:032x}", text_hash("Hello"), NOW),
    ]


@pytest.mark.parametrize(
    ("status", "code", "state", "reason"),
    [
        (
            "failed",
            30002,
            "failed",
            "and could not send it: The Twilio account is suspended: see its console (30",
        ),
        (
            "undelivered",
            "30003",
            "undelivered",
            "and it could not be delivered: The phone cannot be reached: ",
        ),
        (
            "undelivered",
            39999,
            "undelivered",
            "Twilio sent the message, and it could not be delivered (39999)",
        ),
        ("failed", None, "failed", "Twilio took the message, and could not send it."),
        ("canceled", None, "failed", "Twilio took the message, and it was canceled there."),
    ],
)
def test_what_ended_badly_says_how_and_why(status, code, state, reason):
    [found] = asked(lambda server: server.keep(TO, "Hello", status=status, error_code=code))
    assert found.ended.state == state
    assert reason in found.ended.reason
    assert found.ended.code == (None if code is None else str(code))


def test_an_empty_list_is_an_answer():
    assert asked(lambda server: None) == []


def test_every_page_is_read():
    def prepare(server):
        server.page_size = 3
        for n in range(10):
            server.keep(TO, f"Text {n}")

    assert [m.text_hash for m in asked(prepare)] == [text_hash(f"Text {n}") for n in range(9, -1, -1)]


def test_a_list_without_end_is_no_answer():
    def prepare(server):
        server.page_size = 1
        for _ in range(twilio_list.MAX_PAGES + 1):
            server.keep(TO, "Hello")

    assert "too many" in asked(prepare).reason


def test_messages_that_came_in_and_the_words_of_a_trial_account_are_left_out():
    def prepare(server):
        server.keep(TO, "From a customer", direction="inbound")
        server.keep(TO, "Sent from your Twilio trial account - Hello")

    assert [m.text_hash for m in asked(prepare)] == [text_hash("Hello")]


@pytest.mark.parametrize(
    "message",
    [{}, {"date_created": None}, {"date_created": "yesterday"}, {"body": None}, {"direction": None}],
)
def test_what_twilio_does_not_say_of_a_message_leaves_it_in_the_list(message):
    (found,) = asked(lambda server: server.keep(TO, **({"body": "Hello"} | message)))
    assert found.provider_id.startswith("SM")
    assert found.created_at == (None if "date_created" in message else NOW)


@pytest.mark.parametrize("status", [401, 404, 429, 500, 503])
def test_a_refusal_is_no_answer(status):
    found = asked(lambda server: setattr(server, "list_status", status))
    assert isinstance(found, CannotTell)
    assert str(status) in found.reason


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"messages": 5}', b'{"messages": [5]}'])
def test_an_answer_that_is_none_of_twilios_is_no_answer(body):
    assert isinstance(answered(body), CannotTell)


@pytest.mark.parametrize("sid", ["", "SM1", None, f"SM{1:032x}\0", "SM" + "\ud800" * 32])
def test_a_message_without_a_sid_of_twilios_makes_the_list_no_answer(sid):
    assert isinstance(asked(lambda server: server.keep(TO, "Hello", sid=sid)), CannotTell)


def test_a_server_that_cannot_be_reached_is_no_answer():
    assert isinstance(asyncio.run(ask(channel("http://127.0.0.1:1"))), CannotTell)


def test_a_server_that_hangs_is_no_answer_soon():
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request_line(reader)
        await asyncio.Event().wait()

    async def main() -> Any:
        async with RawServer(hang) as server, asyncio.timeout(5):
            return await ask(channel(server.url, timeout=0.2))

    assert isinstance(asyncio.run(main()), CannotTell)


def test_the_sandbox_lists_like_twilio():
    with running_sandbox() as sandbox:
        form = {"To": TO, "From": "+15005550006", "Body": "Hello"}
        sid = sandbox.http.post(sandbox.messages_url, data=form).json()["sid"]
        account = {"account_sid": sandbox.sandbox.account_sid, "auth_token": sandbox.sandbox.auth_token}
        (found,) = asyncio.run(ask(channel(sandbox.where.url, **account)))
    assert (found.provider_id, found.text_hash) == (sid, text_hash("Hello"))
