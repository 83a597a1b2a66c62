"""What Twilio's answers mean: by their status and their code."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from messages.outcomes import ActionBy, Failed, FailureKind, Sent
from tests.contract.sms_wire import SID, against, against_twilio, sms
from tests.servers.twilio import read_request, reply
from worker.channels.twilio_errors import Meaning


def answering(answer: bytes) -> Callable[..., Awaitable[None]]:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer)
        await writer.drain()

    return script


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
    codes = {99999: Meaning(FailureKind.RETRYABLE, "Twilio is having a bad day", ActionBy.NOBODY)}
    outcome, _ = against_twilio(sms("+15005550008"), codes=codes)
    expected = "Twilio is having a bad day (99999)"
    assert outcome == Failed(FailureKind.RETRYABLE, expected, "99999", action_by=ActionBy.NOBODY)


def test_wrong_credentials_are_tried_again_once_they_may_be_right_and_name_the_settings():
    outcome, _ = against_twilio(sms(), auth_token="wrong")
    assert outcome.kind is FailureKind.RETRYABLE
    assert "TWILIO_AUTH_TOKEN" in outcome.reason
    assert "20003" in outcome.reason


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


def created(status: object, code: object, http: str = "201 Created") -> bytes:
    body = {"sid": SID, "status": status, "error_code": code, "body": "x", "to": "+18045550116"}
    return reply(http, json.dumps(body).encode())


@pytest.mark.parametrize("http", ["201 Created", "200 OK", "202 Accepted"])
@pytest.mark.parametrize(
    ("status", "code", "expected", "action_by"),
    [
        ("failed", 30007, "filtered the message out as unwanted (30007)", ActionBy.CONTENT),
        ("failed", None, "Twilio took the message, and could not send it.", ActionBy.OPERATOR),
        ("failed", 39999, "could not send it (39999)", ActionBy.OPERATOR),
        ("canceled", None, "Twilio took the message, and it was canceled there.", ActionBy.OPERATOR),
        ("undelivered", 30005, "no longer in service (30005)", ActionBy.RECIPIENT),
        ("undelivered", None, "it could not be delivered.", ActionBy.RECIPIENT),
        ("failed", 21610, "opted out of messages from this sender (21610)", ActionBy.RECIPIENT),
        ("undelivered", "21610", "opted out of messages from this sender (21610)", ActionBy.RECIPIENT),
        ("failed", 30001, "it will take more later (30001)", ActionBy.OPERATOR),
    ],
)
def test_an_accepted_message_that_has_failed_already_is_a_failure(http, status, code, expected, action_by):
    outcome, _ = against(answering(created(status, code, http)))
    assert isinstance(outcome, Failed)
    assert (outcome.kind, outcome.provider_id) == (FailureKind.PERMANENT, SID)
    assert outcome.reason.endswith(expected)
    assert outcome.code == (str(code) if code else None)
    assert outcome.undelivered is (status == "undelivered" and str(code) != "21610")
    assert outcome.opted_out is (str(code) == "21610")
    assert outcome.action_by is action_by


@pytest.mark.parametrize(
    "status", ["accepted", "queued", "sending", "sent", "delivered", "scheduled", "x", 5]
)
def test_an_accepted_message_in_any_other_status_is_sent(status):
    outcome, _ = against(answering(created(status, None)))
    assert isinstance(outcome, Sent)
