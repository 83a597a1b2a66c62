"""What is asked of Twilio: the form fields, the sender, and nothing at all where it could not be sent."""

import pytest

from messages.outcomes import Failed, FailureKind, Sent
from tests.contract.sms_wire import GOOD, against_twilio, sms
from tests.servers.twilio import TOKEN


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


def test_nothing_of_a_message_is_logged(caplog):
    caplog.set_level("DEBUG")
    against_twilio(sms(body="a very private text"))
    against_twilio(sms("+15005550001", body="a very private text"))
    for secret in ("a very private text", GOOD, "+15005550001", TOKEN):
        assert secret not in caplog.text
