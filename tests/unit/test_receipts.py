"""Twilio's signature, held against Twilio's own library."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from messages.receipts import is_from_twilio, twilio_callback, twilio_signature

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
