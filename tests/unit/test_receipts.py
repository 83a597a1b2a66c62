"""Twilio's signature, held against Twilio's own library."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from messages.outcomes import ActionBy
from messages.receipts import ended_badly, is_from_twilio, moves_of, twilio_callback, twilio_signature
from messages.reconciliation import Ended
from messages.states import DeliveryState, may_move
from messages.twilio_codes import CODES

S = DeliveryState
TOKEN = "12345"
FORM = {"MessageSid": ["SM1"], "To": ["+18042221111"], "MessageStatus": ["sent"], "Empty": [""]}
PLAIN = {name: values[0] for name, values in FORM.items()}
URLS = [
    "https://messages.example/api/receipts/twilio/dlv_1",
    "https://messages.example:8443/api/receipts/twilio/dlv_1",
    "http://127.0.0.1:8000/api/receipts/twilio/dlv_1",
    "http://[::1]:8000/x",
]


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_it_is_the_one_of_twilios_library(form):
    url = URLS[0]
    signature = RequestValidator(TOKEN).compute_signature(url, form)
    assert twilio_signature(TOKEN, url, {name: [value] for name, value in form.items()}) == signature


@pytest.mark.parametrize("url", URLS)
def test_what_twilio_signs_is_from_twilio_with_the_port_or_without(url):
    signature = RequestValidator(TOKEN).compute_signature(url, PLAIN)
    assert is_from_twilio(TOKEN, url, FORM, signature)
    assert RequestValidator(TOKEN).validate(URLS[0], PLAIN, twilio_signature(TOKEN, URLS[0], FORM))
    with_port = RequestValidator(TOKEN).compute_signature("https://messages.example:443/x", PLAIN)
    assert is_from_twilio(TOKEN, "https://messages.example/x", FORM, with_port)
    without = RequestValidator(TOKEN).compute_signature("https://messages.example/x", PLAIN)
    assert is_from_twilio(TOKEN, "https://messages.example:8443/x", FORM, without)


@pytest.mark.parametrize("signature", ["", "x", "ä", "0" * 28])
def test_any_other_signature_is_not(signature):
    assert not is_from_twilio(TOKEN, URLS[0], FORM, signature)


def test_a_signature_of_another_token_url_or_form_is_not():
    signature = twilio_signature(TOKEN, URLS[0], FORM)
    assert not is_from_twilio("other", URLS[0], FORM, signature)
    assert not is_from_twilio(TOKEN, URLS[0] + "2", FORM, signature)
    assert not is_from_twilio(TOKEN, URLS[0], FORM | {"MessageSid": ["SM2"]}, signature)


def test_the_address_holds_the_delivery():
    assert twilio_callback("https://a.example", "dlv_1") == "https://a.example/api/receipts/twilio/dlv_1"
    assert twilio_callback("https://a.example", "a/../b?c").endswith("/twilio/a%2F..%2Fb%3Fc")


@pytest.mark.parametrize("status", ["queued", "sending", "sent", "delivered", "read", "new", "", None, 5, []])
def test_what_has_not_ended_badly_has_not(status):
    assert ended_badly(status, "30003", CODES) is None


@pytest.mark.parametrize(
    ("status", "code", "state", "said"),
    [
        ("failed", "30002", S.FAILED, ": The Twilio account is suspended: see its console (30002)"),
        ("failed", 30002, S.FAILED, ": The Twilio account is suspended: see its console (30002)"),
        ("undelivered", "39999", S.UNDELIVERED, " (39999)"),
        ("canceled", None, S.FAILED, "canceled there."),
        ("failed", "", S.FAILED, "could not send it."),
        ("failed", "\u0663" * 5, S.FAILED, "could not send it."),
        ("failed", "9" * 5000, S.FAILED, "could not send it."),
    ],
)
def test_what_has_ended_badly_says_how_and_why(status, code, state, said):
    ended = ended_badly(status, code, CODES)
    assert isinstance(ended, Ended)
    assert ended.state is state
    assert ended.reason.endswith(said)
    assert ended.code == (str(code) if "(" in said else None)


#: What is reported, of a Delivery in which state, and the moves that makes; in all other states none.
MOVES = {
    S.SENT: {S.QUEUED: [S.SENT], S.SENDING: [S.SENT], S.UNKNOWN: [S.SENT]},
    S.UNDELIVERED: {
        S.QUEUED: [S.SENT, S.UNDELIVERED],
        S.SENDING: [S.SENT, S.UNDELIVERED],
        S.UNKNOWN: [S.UNDELIVERED],
        S.SENT: [S.UNDELIVERED],
    },
    S.FAILED: {S.SENDING: [S.FAILED], S.UNKNOWN: [S.FAILED], S.SENT: [S.UNDELIVERED]},
    S.SUPPRESSED: {
        S.QUEUED: [S.SUPPRESSED],
        S.SENDING: [S.SUPPRESSED],
        S.UNKNOWN: [S.SUPPRESSED],
        S.SENT: [S.SUPPRESSED],
    },
}


@pytest.mark.parametrize("reported", MOVES)
def test_a_report_moves_a_delivery_forwards_only(reported):
    for before in S:
        moves = list(moves_of(before, reported, is_first=True))
        assert moves == MOVES[reported].get(before, [])
        assert all(may_move(a, b) for a, b in pairwise([before, *moves]))


def test_one_that_failed_does_not_stop_a_later_attempt():
    assert moves_of(S.SENDING, S.FAILED, is_first=False) == []
    assert moves_of(S.UNKNOWN, S.FAILED, is_first=False) == [S.FAILED]
    assert moves_of(S.SENDING, S.SUPPRESSED, is_first=False) == []


@pytest.mark.parametrize("status", ["failed", "undelivered", "canceled", "queued", None])
@pytest.mark.parametrize("code", ["21610", 21610])
def test_an_opt_out_is_suppressed_wherever_it_is_reported(status, code):
    ended = ended_badly(status, code, CODES)
    assert ended == Ended(
        S.SUPPRESSED, f"{CODES[21610].sentence} (21610)", "21610", action_by=ActionBy.RECIPIENT
    )


@pytest.mark.parametrize("status", ["failed", "undelivered"])
def test_a_message_that_expired_at_twilio_is_undelivered_with_a_sentence_of_its_own(status):
    ended = ended_badly(status, "30036", CODES)
    assert ended == Ended(
        S.UNDELIVERED, f"{CODES[30036].sentence} (30036)", "30036", action_by=ActionBy.SENDER
    )


@pytest.mark.parametrize(
    ("status", "code", "action_by"),
    [
        ("failed", 30007, ActionBy.CONTENT),
        ("undelivered", 30005, ActionBy.RECIPIENT),
        ("undelivered", None, ActionBy.RECIPIENT),
        ("failed", None, ActionBy.OPERATOR),
        ("canceled", "39999", ActionBy.OPERATOR),
        ("failed", 30001, ActionBy.OPERATOR),  # it could be tried again, and is not by itself
    ],
)
def test_a_message_that_ended_badly_says_who_has_to_act(status, code, action_by):
    ended = ended_badly(status, code, CODES)
    assert ended is not None
    assert ended.action_by is action_by
