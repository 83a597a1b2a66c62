"""E-mail addresses: what is plain is looked at briefly, and comes to what a close look would."""

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given
from hypothesis import strategies as st

from messages.addresses import AddressError, read_email, to_email

LOCALS = (
    "dana",
    "d.r",
    "D.R",
    ".d",
    "d..r",
    "d.",
    "POSTMASTER",
    "o'hara",
    "a" * 64,
    "a" * 65,
    "d+x_y-z",
    "用户",
    "",
)
DOMAINS = (
    "example.com", "EXAMPLE.com", "a.test", "localhost", "a.local", "a-.com", "-a.com", "a..com", ".com",
    "com", "1.2.3.4", "a.1", "xn--r8jz45g.jp", "xn--a.com", "例え.jp", "ab--c.com", "a_b.com", "a.com\n", "",
    "a." * 125 + "com", "b" * 63 + ".com", "b" * 64 + ".com", ("c" * 60 + ".") * 3 + "d" * 6 + ".com",
)  # fmt: skip


def closely(text: str) -> str | None:
    try:
        return validate_email(
            text, check_deliverability=False, test_environment=True, allow_quoted_local=True, strict=True
        ).normalized
    except EmailNotValidError:
        return None


def briefly(text: str) -> str | None:
    try:
        return to_email(text)
    except AddressError:
        return None


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_combination_is_what_a_close_look_makes_of_it(domain: str):
    for local in LOCALS:
        assert briefly(f"{local}@{domain}") == closely(f"{local}@{domain}")


@given(
    st.text("aZ0._+-@é", max_size=20)
    | st.from_regex(r"[a-z0-9._-]{1,70}@[A-Za-z0-9.-]{1,200}", fullmatch=True)
)
@example("dana@Example.COM")
def test_any_text_is_what_a_close_look_makes_of_it(text: str):
    assert briefly(text) == closely(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ('"john doe"@example.com', '"john doe"@example.com'),
        ('"a@b"@EXAMPLE.com', '"a@b"@example.com'),
        ('"a\\"b"@example.com', '"a\\"b"@example.com'),
        ('"john.doe"@example.com', "john.doe@example.com"),
        ("é" * 32 + "@example.com", "é" * 32 + "@example.com"),
    ],
)
def test_quoted_or_international_local_part_is_taken(text, address):
    assert to_email(text) == address


@pytest.mark.parametrize("local", ["a" * 65, "A" * 65, "é" * 33, '"' + "a " * 32 + '"'])
def test_local_part_of_more_than_64_octets_is_refused(local):
    assert briefly(f"{local}@example.com") is None


@pytest.mark.parametrize(
    "text",
    ["john doe@example.com", '"john doe@example.com', '"a"b"@example.com', '"a\n"@example.com', '""@a.com'],
)
def test_local_part_that_is_not_quoted_right_is_refused(text):
    assert briefly(text) is None


@pytest.mark.parametrize(
    "text",
    [
        " dana@example.com\n",
        "\u00a0dana@example.com\ufeff",
        "mailto:dana@example.com",
        "MAILTO: dana@example.com",
    ],
)
def test_blanks_around_an_address_are_taken_in_related_objects_only(text):
    assert read_email(text) == "dana@example.com"
    assert briefly(text) is None
