"""What is asked of Twilio: the form fields, the sender, and nothing at all where it could not be sent."""

import pytest

from messages.clock import system_clock
from messages.outcomes import ActionBy, Failed, FailureKind, Sent
from tests.contract.sms_wire import GOOD, against_twilio, sms
from tests.servers.twilio import TOKEN
from worker.channels.sms import validity_seconds


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


def test_twilio_is_told_how_long_an_sms_that_expires_may_wait():
    _, server = against_twilio(sms(expires_at=system_clock() + 90_000))
    [seconds] = server.created[0]["ValidityPeriod"]
    assert 60 <= int(seconds) <= 90


@pytest.mark.parametrize(
    ("left_ms", "seconds"),
    [
        (-5_000, 1), (0, 1), (1, 1), (999, 1), (1_999, 1), (2_000, 2), (90_500, 90),
        (36_000_000, 36_000), (36_001_000, 36_000), (10**12, 36_000),
    ],
)  # fmt: skip
def test_a_validity_period_is_the_time_left_within_what_twilio_takes(left_ms, seconds):
    assert validity_seconds(1_000_000 + left_ms, 1_000_000) == seconds


def test_without_any_sender_nothing_is_asked_of_twilio_and_the_settings_are_named():
    outcome, server = against_twilio(sms(), default_sender=None)
    assert (outcome.kind, outcome.action_by) == (FailureKind.RETRYABLE, ActionBy.OPERATOR)
    assert "SENDER_PHONE" in outcome.reason
    assert server.requests == 0


def test_a_text_over_the_limit_fails_before_sending_and_says_size_and_limit():
    outcome, server = against_twilio(sms(body="é" * 1601))
    reason = "The text has 1,601 characters; an SMS may have 1,600"
    assert outcome == Failed(FailureKind.PERMANENT, reason, action_by=ActionBy.CONTENT)
    assert server.requests == 0
    assert isinstance(against_twilio(sms(body="é" * 1600))[0], Sent)


def test_nothing_of_a_message_is_logged(caplog):
    caplog.set_level("DEBUG")
    against_twilio(sms(body="a very private text"))
    against_twilio(sms("+15005550001", body="a very private text"))
    for secret in ("a very private text", GOOD, "+15005550001", TOKEN):
        assert secret not in caplog.text
