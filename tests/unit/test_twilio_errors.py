"""Every answer and every exception under Twilio has a meaning."""

import inspect
from datetime import UTC, datetime

import aiohttp
import pytest
import twilio.base
import twilio.http
from aiohttp import client_exceptions
from hypothesis import given
from hypothesis import strategies as st
from twilio.base import exceptions as twilio_exceptions

from messages.outcomes import FailureKind
from messages.twilio_codes import CODES, Meaning
from tests.exceptions import exceptions_of
from worker.channels import twilio_http
from worker.channels.twilio_errors import classify
from worker.channels.twilio_http import TRANSPORT, broken, seconds_to_wait

#: aiohttp's errors that are no failures of a request: WebSockets misused, an upload that we stopped.
NOT_OURS = {client_exceptions.WSMessageTypeError, client_exceptions.UploadAbortedError}
#: The twilio library raises these for an answer other than 2xx, which our HTTP client does not let through;
#: the last for parts of it that are no longer there.
TWILIO_LIBRARY = {"TwilioException", "TwilioRestException", "TwilioServiceException", "ObsoleteException"}


def test_every_exception_of_aiohttps_client_is_mapped():
    known = {
        each
        for _, each in inspect.getmembers(client_exceptions, inspect.isclass)
        if issubclass(each, Exception) and each.__module__ == client_exceptions.__name__
    }
    assert len(known) > 20
    assert known - set(TRANSPORT) - NOT_OURS == set()


def test_every_exception_of_the_twilio_library_is_known_and_ours_are_among_its():
    found = exceptions_of(twilio.base) | exceptions_of(twilio.http)
    assert {each.__name__ for each in found} == TWILIO_LIBRARY
    for ours in (twilio_http.Refused, twilio_http.Garbled, twilio_http.Broken):
        assert issubclass(ours, twilio_exceptions.TwilioException)


@pytest.mark.parametrize("connected", [True, False])
def test_only_what_happens_before_there_is_a_connection_is_retryable(connected):
    for error_type, (kind, _) in TRANSPORT.items():
        before = issubclass(
            error_type,
            aiohttp.ClientConnectorError
            | aiohttp.ConnectionTimeoutError
            | aiohttp.ServerFingerprintMismatch
            | aiohttp.ClientHttpProxyError,
        )
        assert (kind is FailureKind.RETRYABLE) == before
    assert (broken(TimeoutError(), connected=connected).kind is FailureKind.AMBIGUOUS) == connected


def test_a_new_subclass_counts_as_its_nearest_parent():
    class NewConnectorError(aiohttp.ClientConnectorDNSError):
        def __init__(self) -> None: ...

    class NewError(aiohttp.ClientError): ...

    assert broken(NewConnectorError(), connected=False).kind is FailureKind.RETRYABLE
    assert broken(NewError(), connected=True).kind is FailureKind.AMBIGUOUS


@given(st.integers(500, 599), st.sampled_from([None, *CODES]))
def test_a_server_error_is_ambiguous_whatever_the_code(status, code):
    assert classify(status, code).kind is FailureKind.AMBIGUOUS


@given(st.sampled_from([None, *CODES]))
def test_too_many_requests_is_retryable_whatever_the_code(code):
    assert classify(429, code).kind is FailureKind.RETRYABLE


@given(
    st.integers(400, 499).filter(lambda s: s not in (401, 403, 408, 429)),
    st.integers().filter(lambda c: c not in CODES),
)
def test_a_refusal_nobody_classified_is_permanent(status, code):
    assert classify(status, code).kind is FailureKind.PERMANENT


@pytest.mark.parametrize("code", [21211, 21408, 21610, 21614, 21606, 21612, 21602, 30003])
def test_what_cannot_get_better_is_permanent(code):
    assert classify(400, code).kind is FailureKind.PERMANENT


@pytest.mark.parametrize("code", [20429, 21611, 14107, 63018])
def test_what_gets_better_by_waiting_is_retryable(code):
    assert classify(400, code).kind is FailureKind.RETRYABLE


def test_only_an_opt_out_opts_out():
    assert [code for code in CODES if classify(400, code).opted_out] == [21610]


def test_a_sentence_ends_with_the_code_and_begins_with_a_capital():
    for code in CODES:
        failed = classify(400, code)
        assert failed.reason.endswith(f"({code})")
        assert failed.reason[0].isupper()
    assert classify(400, None).reason.endswith("(HTTP 400)")


def test_the_table_can_be_overridden():
    assert classify(400, 21614, codes={21614: Meaning(FailureKind.RETRYABLE, "X")}).reason == "X (21614)"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("7", 7),
        (" 7 ", 7),
        ("soon", None),
        ("-3", None),
        ("Sun, 01 Mar 2026 12:30:30 GMT", 30),
        ("Sun, 01 Mar 2026 12:30:30 -0000", 30),
        ("Sun, 01 Mar 2026 12:00:00 GMT", 0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header, seconds):
    assert seconds_to_wait(header, datetime(2026, 3, 1, 12, 30, tzinfo=UTC)) == seconds
