"""E-mail addresses: what is plain is looked at briefly, and comes to what a close look would."""

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given
from hypothesis import strategies as st

from messages.addresses import AddressError, to_email

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
        return validate_email(text, check_deliverability=False, test_environment=True).normalized
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
