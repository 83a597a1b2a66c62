"""Phone numbers: the usual notations in related objects, the API page's everywhere."""

import pytest

from messages.phone import PhoneError, read_phone, to_e164

NUMBER = "+18045550100"
USUAL = (
    "+1 804 555 0100", "804.555.0100", "+1.804.555.0100", "1 (804) 555 0100", "804/555-0100", "804 555-0100 ",
    "804\u00a0555\u00a00100", "804\u2009555\u202f0100", " 804-555-0100\n", "\u202a+1 804-555-0100\u202c",
    "804\u2013555\u20110100", "tel:+1-804-555-0100", "TEL: 8045550100", "+1 (804)  555 - 0100",
    "\ufeff8045550100", "８０４-555-0100",
)  # fmt: skip
BOTH = ("804-555-0100", "+1 (804) 555-0100", "8045550100", "18045550100", "+1804 555-0100", "(804)-555-0100")
NEITHER = (
    "", "911", "804-555-010", "804-555-01000", "804-555-0100 x5", "804-555-0100;ext=5", "+44 20 7946 0958",
    "804-555-0100 / 804-555-0101", "1-800-FLOWERS", "8-0-4 555 0100", "٨٠٤5550100", "804-555-0100" + " " * 99,
)  # fmt: skip


@pytest.mark.parametrize("text", USUAL)
def test_usual_notation_is_read_in_related_objects_only(text):
    assert read_phone(text) == NUMBER
    with pytest.raises(PhoneError):
        to_e164(text)


@pytest.mark.parametrize("text", BOTH)
def test_notation_of_the_api_page_is_read_everywhere(text):
    assert read_phone(text) == to_e164(text) == NUMBER


@pytest.mark.parametrize("text", NEITHER)
def test_other_text_is_refused_with_an_example(text):
    for parse in (read_phone, to_e164):
        with pytest.raises(PhoneError, match=r"write it like \+1 804"):
            parse(text)
