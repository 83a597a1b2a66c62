"""Every reply and every exception of SMTP has a meaning."""

import ssl
from typing import Any

import aiosmtplib
import pytest
from aiosmtplib import errors
from hypothesis import given
from hypothesis import strategies as st

from messages.outcomes import ActionBy, FailureKind
from tests.exceptions import exceptions_of
from worker.channels.smtp_errors import RULES, Rule, TurnedAway, classify, turned_away
from worker.channels.smtp_replies import ACTIONS, BEFORE_MAIL, SENTENCES, Stage, classify_reply

BEFORE_TEXT = [stage for stage in Stage if stage is not Stage.TEXT]
ARGUMENTS: dict[type, tuple[Any, ...]] = {
    errors.SMTPSenderRefused: (550, "5.1.8 no", "a@b"),
    errors.SMTPRecipientRefused: (550, "5.1.1 no", "a@b"),
    errors.SMTPRecipientsRefused: ([],),
}


def known_exceptions() -> list[type[Exception]]:
    return sorted(exceptions_of(aiosmtplib), key=lambda each: each.__name__)


def made(error_type: type[Exception]) -> Exception:
    if error_type in ARGUMENTS:
        return error_type(*ARGUMENTS[error_type])
    if issubclass(error_type, errors.SMTPResponseException):
        return error_type(550, "5.0.0 no")
    return error_type("no")


def test_every_exception_of_aiosmtplib_is_mapped():
    assert len(known_exceptions()) > 10
    assert set(known_exceptions()) - set(RULES) == set()


@pytest.mark.parametrize("error_type", known_exceptions(), ids=lambda each: each.__name__)
def test_without_a_reply_an_e_mail_handed_over_is_ambiguous_and_before_that_was_not_sent(error_type):
    error = made(error_type)
    for stage in BEFORE_TEXT:
        assert classify(error, stage).kind is not FailureKind.AMBIGUOUS
    ambiguous = classify(error, Stage.TEXT).kind is FailureKind.AMBIGUOUS
    assert ambiguous == (RULES[error_type] is not Rule.REPLY)


@given(st.integers(400, 499), st.sampled_from(Stage))
def test_a_4xx_reply_is_retryable_at_every_stage(code, stage):
    assert classify_reply(code, "", stage).kind is FailureKind.RETRYABLE


@given(st.integers(500, 599), st.sampled_from(sorted(BEFORE_MAIL, key=lambda stage: stage.value)))
def test_a_5xx_reply_before_the_first_e_mail_is_trouble_of_the_server_or_the_settings(code, stage):
    failed = classify_reply(code, "5.7.1 no", stage)
    assert (failed.kind, failed.provider_trouble) == (FailureKind.RETRYABLE, True)
    assert "SMTP_URL" in failed.reason
    assert failed.action_by is ActionBy.OPERATOR


@given(st.integers(500, 599), st.sampled_from(Stage))
def test_a_5xx_reply_is_permanent_or_trouble_of_the_server_and_nothing_else(code, stage):
    failed = classify_reply(code, "", stage)
    assert failed.kind is (FailureKind.RETRYABLE if failed.provider_trouble else FailureKind.PERMANENT)


@pytest.mark.parametrize("stage", [Stage.SENDER, Stage.RECIPIENT, Stage.TEXT])
def test_most_5xx_replies_to_an_e_mail_are_permanent(stage):
    retried = {code for code in range(500, 600) if classify_reply(code, "", stage).provider_trouble}
    of_the_server = set() if stage is Stage.TEXT else {500, 502, 503, 504, 521}
    assert retried == {530, 534, 535, 538} | of_the_server


@given(st.integers(0, 999).filter(lambda code: code // 100 not in (4, 5)), st.sampled_from(Stage))
def test_a_code_that_is_neither_yes_nor_no_is_ambiguous_after_the_text_only(code, stage):
    expected = FailureKind.AMBIGUOUS if stage is Stage.TEXT else FailureKind.RETRYABLE
    assert classify_reply(code, "", stage).kind is expected


def test_every_sentence_says_who_has_to_act():
    assert ACTIONS.keys() == SENTENCES.keys()


def test_what_is_no_reply_is_ambiguous_after_the_text():
    garbled = errors.SMTPResponseException(-1, "what?")
    assert classify(garbled, Stage.TEXT).kind is FailureKind.AMBIGUOUS
    assert classify(garbled, Stage.SENDER).kind is FailureKind.RETRYABLE


def test_a_certificate_is_named_also_when_it_is_only_the_cause():
    error = errors.SMTPConnectError("x")
    error.__cause__ = ssl.SSLCertVerificationError()
    assert "certificate" in classify(error, Stage.CONNECT).reason


@given(st.text(), st.sampled_from(Stage))
def test_the_servers_own_text_is_never_passed_on(text, stage):
    secret = "ann@customer.example"
    assert secret not in classify_reply(550, f"5.1.1 {text} {secret}", stage).reason


@pytest.mark.parametrize("enhanced", SENTENCES)
def test_an_enhanced_code_gives_its_sentence_and_is_shown(enhanced):
    full = enhanced if enhanced.count(".") == 2 else f"5.{enhanced}"
    failed = classify_reply(450 if full[0] == "4" else 550, f"{full} whatever", Stage.TEXT)
    assert failed.reason == f"{SENTENCES[enhanced]} ({failed.code})"
    assert failed.code is not None
    assert failed.code.endswith(full)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (421, "4.7.0 mx.test Error: too many connections from 10.0.0.1"),  # Postfix
        (421, "Too many concurrent SMTP connections; please try again later."),  # Exim
        (421, "4.3.2 The maximum number of concurrent connections has exceeded a limit"),  # Exchange
        (432, "4.3.2 Concurrent connections limit exceeded"),  # Exchange Online
        (454, "4.7.0 Too many login attempts, please try again later"),  # Gmail
        (421, "4.4.5 Service unavailable, concurrency limit reached"),  # SmartRelay
    ],
)
@pytest.mark.parametrize("stage", [Stage.CONNECT, Stage.LOGIN])
def test_a_server_that_says_it_has_too_many_connections_is_believed_and_is_not_in_trouble(code, text, stage):
    error = errors.SMTPResponseException(code, text)
    assert turned_away(error, stage) is TurnedAway.FULL
    failed = classify(error, stage)
    assert (failed.kind, failed.provider_trouble) == (FailureKind.RETRYABLE, False)
    assert failed.reason.startswith("The SMTP server has as many connections as it allows (4")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.SMTPConnectResponseError(421, "4.3.0 going down"), TurnedAway.PERHAPS),
        (errors.SMTPHeloError(450, "later"), TurnedAway.PERHAPS),
        (errors.SMTPServerDisconnected("lost"), TurnedAway.PERHAPS),
        (ConnectionRefusedError(), TurnedAway.PERHAPS),
        (errors.SMTPConnectTimeoutError("no greeting"), TurnedAway.PERHAPS),
        (errors.SMTPConnectResponseError(554, "too many connections, for ever"), TurnedAway.NO),
        (errors.SMTPAuthenticationError(535, "5.7.8 bad credentials"), TurnedAway.NO),
        (ssl.SSLCertVerificationError(), TurnedAway.NO),
        (errors.SMTPResponseException(-1, "too many connections?"), TurnedAway.NO),
        (errors.SMTPNotSupported("AUTH"), TurnedAway.NO),
    ],
)
def test_what_may_be_for_want_of_connections_is_told_from_what_cannot(error, expected):
    assert turned_away(error, Stage.CONNECT) is expected
    assert turned_away(error, Stage.SENDER) is TurnedAway.NO
    assert classify(error, Stage.CONNECT).provider_trouble
