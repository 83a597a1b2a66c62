"""Twilio at the wire: what was surely not sent is told apart from what may have been."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trustme

from messages.clock import system_clock
from messages.outcomes import Failed, FailureKind, Outcome, Sent
from messages.outgoing import OutgoingSms
from messages.twilio_codes import Meaning
from tests.servers import FreePermit, eventually
from tests.servers.twilio import ACCOUNT, TOKEN, RawServer, TwilioServer, read_request, reply
from worker.channels.sms import TwilioSms
from worker.channels.twilio_http import Broken, OneSessionHttpClient

GOOD = "+18042221111"
SID = "SM" + "0123456789abcdef" * 2
ANSWER = reply("201 Created", b'{"sid": "%s", "status": "queued"}' % SID.encode())


def channel(url: str, **options: Any) -> TwilioSms:
    given = {"default_sender": "+18045550100", "timeout": 2.0, **options}
    return TwilioSms(**{"account_sid": ACCOUNT, "auth_token": TOKEN, "base_url": url, **given})


def sms(to: str = GOOD, **changes: Any) -> OutgoingSms:
    return OutgoingSms(**{"delivery_id": "d-1", "recipient": to, "sender": None, "body": "Hello", **changes})


def sent_to(url: str, message: OutgoingSms, **options: Any) -> Awaitable[Outcome]:
    async def once() -> Outcome:
        twilio = channel(url, **options)
        try:
            return await twilio.send(message, FreePermit())
        finally:
            await twilio.close()

    return once()


def against_twilio(message: OutgoingSms, **options: Any) -> tuple[Outcome, TwilioServer]:
    async def main() -> tuple[Outcome, TwilioServer]:
        async with TwilioServer() as server:
            return await sent_to(server.url, message, **options), server

    return asyncio.run(main())


def against(script: Any, **options: Any) -> tuple[Outcome, int]:
    """Send one SMS to a server that follows `script`; the outcome, and how many connections it saw."""

    async def main() -> tuple[Outcome, int]:
        async with RawServer(script) as server:
            return await sent_to(server.url, sms(), **options), server.connections

    return asyncio.run(main())


def answering(answer: bytes) -> Callable[..., Awaitable[None]]:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer)
        await writer.drain()

    return script


async def close_before_reading(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def read_then_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)


async def read_then_reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.transport.abort()


async def read_then_hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    await asyncio.Event().wait()


async def half_an_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(ANSWER[:-10])


async def drip_for_ever(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b" ")
        await asyncio.sleep(0.02)


def test_twilio_gets_exactly_the_form_fields_it_knows():
    outcome, server = against_twilio(sms(media_urls=("https://a.example/1.png", "https://a.example/2.png")))
    assert outcome == Sent("SM" + "0" * 31 + "1", "queued")
    assert server.created == [
        {
            "To": [GOOD],
            "From": ["+18045550100"],
            "Body": ["Hello"],
            "MediaUrl": ["https://a.example/1.png", "https://a.example/2.png"],
        }
    ]


@pytest.mark.parametrize(
    ("wanted", "default", "service", "expected"),
    [
        ("+18045550199", "+18045550100", "MG1", {"From": ["+18045550199"]}),
        (None, "+18045550100", "MG1", {"From": ["+18045550100"]}),
        (None, None, "MG1", {"MessagingServiceSid": ["MG1"]}),
    ],
)
def test_the_sender_is_the_messages_else_the_default_else_the_messaging_service(
    wanted, default, service, expected
):
    _, server = against_twilio(sms(sender=wanted), default_sender=default, messaging_service_sid=service)
    found = {key: value for key, value in server.created[0].items() if key not in ("To", "Body")}
    assert found == expected


def test_without_any_sender_nothing_is_asked_of_twilio_and_the_settings_are_named():
    outcome, server = against_twilio(sms(), default_sender=None)
    assert outcome.kind is FailureKind.PERMANENT
    assert "SENDER_PHONE" in outcome.reason
    assert server.requests == 0


def test_a_text_over_the_limit_fails_before_sending_and_says_size_and_limit():
    outcome, server = against_twilio(sms(body="é" * 1601))
    assert outcome == Failed(FailureKind.PERMANENT, "The text has 1,601 characters; an SMS may have 1,600")
    assert server.requests == 0
    assert isinstance(against_twilio(sms(body="é" * 1600))[0], Sent)


def test_wrong_credentials_are_tried_again_once_they_may_be_right_and_name_the_settings():
    outcome, _ = against_twilio(sms(), auth_token="wrong")
    assert outcome.kind is FailureKind.RETRYABLE
    assert "TWILIO_AUTH_TOKEN" in outcome.reason
    assert "20003" in outcome.reason


@pytest.mark.parametrize(
    ("to", "kind", "code"),
    [
        ("+15005550001", FailureKind.PERMANENT, "21211"),
        ("+15005550002", FailureKind.PERMANENT, "21614"),
        ("+15005550003", FailureKind.PERMANENT, "21610"),
        ("+15005550004", FailureKind.RETRYABLE, "20429"),
        ("+15005550005", FailureKind.RETRYABLE, "21611"),
        ("+15005550006", FailureKind.AMBIGUOUS, "20500"),
        ("+15005550007", FailureKind.AMBIGUOUS, "20503"),
        ("+15005550008", FailureKind.PERMANENT, "99999"),
    ],
)
def test_twilios_refusals_are_told_apart_and_never_quote_the_number(to, kind, code):
    outcome, server = against_twilio(sms(to))
    assert (outcome.kind, outcome.code) == (kind, code)
    assert to not in repr(outcome)
    assert server.requests == 1


def test_an_opt_out_is_said_to_be_one():
    assert against_twilio(sms("+15005550003"))[0].opted_out is True
    assert against_twilio(sms("+15005550002"))[0].opted_out is False


def test_twilio_says_how_long_to_wait():
    assert against_twilio(sms("+15005550004"))[0].retry_after == 7


def test_what_a_code_means_can_be_overridden():
    codes = {99999: Meaning(FailureKind.RETRYABLE, "Twilio is having a bad day")}
    outcome, _ = against_twilio(sms("+15005550008"), codes=codes)
    assert outcome == Failed(FailureKind.RETRYABLE, "Twilio is having a bad day (99999)", "99999")


@pytest.mark.parametrize(
    "script",
    [read_then_close, read_then_reset, close_before_reading, half_an_answer],
    ids=lambda s: s.__name__,
)
def test_a_connection_lost_once_it_was_made_is_ambiguous_and_never_tried_again(script):
    outcome, connections = against(script)
    assert outcome.kind is FailureKind.AMBIGUOUS
    assert connections == 1


@pytest.mark.parametrize("script", [read_then_hang, drip_for_ever], ids=lambda s: s.__name__)
def test_an_answer_that_does_not_come_to_an_end_is_given_up_at_the_time_out(script):
    outcome, connections = against(script, timeout=0.3)
    assert outcome.kind is FailureKind.AMBIGUOUS
    assert "in time" in outcome.reason
    assert connections == 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reply("201 Created", b"<html>not json</html>"), FailureKind.AMBIGUOUS),
        (reply("201 Created", b"[]"), FailureKind.AMBIGUOUS),
        (reply("201 Created", b"{}"), FailureKind.AMBIGUOUS),
        (reply("201 Created", b'{"sid": 7}'), FailureKind.AMBIGUOUS),
        (reply("201 Created", b'{"sid": "%s", "date_sent": 7}' % SID.encode()), FailureKind.AMBIGUOUS),
        (reply("201 Created", b'{"sid": "SM1"}'), FailureKind.AMBIGUOUS),
        (reply("201 Created", b'{"sid": "%s\\u0000"}' % SID.encode()), FailureKind.AMBIGUOUS),
        (reply("201 Created", b'{"sid": "SM\\ud800"}'), FailureKind.AMBIGUOUS),
        (reply("201 Created", b"\xff\xfe"), FailureKind.AMBIGUOUS),
        (reply("200 OK", b"welcome to the hotel wifi"), FailureKind.AMBIGUOUS),
        (reply("301 Moved", b"", "Location: http://127.0.0.1:1/"), FailureKind.PERMANENT),
        (reply("308 Moved", b"", "Location: /elsewhere"), FailureKind.PERMANENT),
        (reply("408 Request Timeout", b""), FailureKind.AMBIGUOUS),
        (reply("500 Oops", b"{}"), FailureKind.AMBIGUOUS),
        (reply("503 Busy", b"", "Retry-After: 1"), FailureKind.AMBIGUOUS),
        (reply("429 Busy", b"not json"), FailureKind.RETRYABLE),
        (reply("429 Busy", b'{"code": "not a number"}'), FailureKind.RETRYABLE),
        (reply("403 Forbidden", b""), FailureKind.RETRYABLE),
        (reply("418 Teapot", b"[1]"), FailureKind.PERMANENT),
        (b"SSH-2.0-OpenSSH\r\n\r\n", FailureKind.AMBIGUOUS),
    ],
)
def test_an_odd_answer_is_classified_by_its_status_and_asked_for_once(answer, kind):
    outcome, connections = against(answering(answer))
    assert outcome.kind is kind
    assert connections == 1


def test_a_name_that_is_not_found_is_retryable():
    outcome = asyncio.run(sent_to("http://twilio.invalid", sms()))
    assert outcome.kind is FailureKind.RETRYABLE


def test_a_wrong_base_url_is_permanent_and_named():
    for url in ("ftp://127.0.0.1", "not a url", "http://"):
        outcome = asyncio.run(sent_to(url, sms()))
        assert outcome.kind is FailureKind.PERMANENT
        assert "TWILIO_BASE_URL" in outcome.reason


def test_a_certificate_nobody_vouches_for_is_retryable_and_nothing_was_sent():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("localhost").configure_cert(context)

    async def main() -> Outcome:
        server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0, ssl=context)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await sent_to(f"https://localhost:{port}", sms())

    outcome = asyncio.run(main())
    assert outcome.kind is FailureKind.RETRYABLE
    assert "certificate" in outcome.reason


def test_waiting_in_vain_for_a_free_connection_is_retryable_as_nothing_was_written():
    async def main() -> None:
        async with RawServer(read_then_hang) as server:
            http = OneSessionHttpClient(base_url=server.url, timeout=5, connections=1, clock=system_clock)
            first = asyncio.ensure_future(http.request("POST", server.url, data={"a": "b"}))
            await eventually(lambda: server.connections == 1)
            with pytest.raises(Broken) as caught:
                await http.request("POST", server.url, data={"a": "b"}, timeout=0.1)
            assert caught.value.kind is FailureKind.RETRYABLE
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            await http.close()

    asyncio.run(main())


def test_a_kept_connection_that_died_unnoticed_is_ambiguous_and_the_sms_not_repeated():
    requests = 0

    async def main() -> None:
        nonlocal requests

        async def answer_one_then_reset_at_the_next(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            nonlocal requests
            await read_request(reader)
            requests += 1
            writer.write(ANSWER)
            await read_request(reader)
            requests += 1
            writer.transport.abort()

        async with RawServer(answer_one_then_reset_at_the_next) as server:
            twilio = channel(server.url)
            assert isinstance(await twilio.send(sms(), FreePermit()), Sent)
            assert (await twilio.send(sms(), FreePermit())).kind is FailureKind.AMBIGUOUS
            assert (requests, server.connections) == (2, 1)
            await twilio.close()

    asyncio.run(main())


def test_connections_are_kept_and_used_again():
    async def main() -> None:
        connections = set()

        async def keep_answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections.add(id(writer))
            while True:
                await read_request(reader)
                writer.write(ANSWER)

        async with RawServer(keep_answering) as server:
            twilio = channel(server.url)
            for _ in range(5):
                assert isinstance(await twilio.send(sms(), FreePermit()), Sent)
            assert len(connections) == 1
            await twilio.close()

    asyncio.run(main())


def test_nothing_of_a_message_is_logged(caplog):
    caplog.set_level("DEBUG")
    against_twilio(sms(body="a very private text"))
    against_twilio(sms("+15005550001", body="a very private text"))
    for secret in ("a very private text", GOOD, "+15005550001", TOKEN):
        assert secret not in caplog.text


def test_a_process_that_was_stopped_while_it_waited_for_a_connection_writes_nothing():
    async def scenario() -> tuple[Outcome, int]:
        times = iter([0])  # when its turn has come; later it is too late
        async with TwilioServer() as server:
            twilio = TwilioSms(
                account_sid=ACCOUNT, auth_token=TOKEN, base_url=server.url, default_sender="+18045550100",
                clock=lambda: next(times, 1000),
            )  # fmt: skip
            outcome = await twilio.send(sms(), FreePermit(begin_by=500))
            await twilio.close()
            return outcome, server.requests

    outcome, requests = asyncio.run(scenario())
    assert isinstance(outcome, Failed)
    assert (outcome.kind, outcome.code) == (FailureKind.RETRYABLE, "not begun")
    assert requests == 0
