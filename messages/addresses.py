"""E-mail addresses: `idn-email` in, a normalised address out."""

import re
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

from messages.wording import shown


class AddressError(ValueError):
    """The text is no e-mail address."""


#: What most addresses are: ASCII, nothing in it to normalise but the case of the domain.
_PLAIN = re.compile(r"([a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*)@([A-Za-z0-9.-]+)")
_MAX_LENGTH = 254


def to_email(text: str) -> str:
    """The address, normalised (Unicode NFC, domain in lower case). Raises AddressError.

    What is plain is not looked at as closely as the rest: most of a Message's checks would be this one.
    """
    try:
        plain = _PLAIN.fullmatch(text) if len(text) <= _MAX_LENGTH else None
        if plain and (domain := _plain_domain(plain[2])):
            return f"{plain[1]}@{domain}"
        return _validated(text)
    except EmailNotValidError as error:
        raise AddressError(
            f"{shown(text)} is not an e-mail address ({str(error).rstrip('.')}); "
            "write it like name@example.com"
        ) from None


def _validated(text: str) -> str:
    """Raises EmailNotValidError. `test_environment` admits `.test`, a domain that no real mail can reach."""
    return validate_email(text, check_deliverability=False, test_environment=True).normalized


@lru_cache(1024)
def _plain_domain(domain: str) -> str | None:
    """The domain, normalised; None where that takes the whole address. Many addresses share one."""
    try:
        normalized = domain_of(_validated(f"a@{domain}"))
    except EmailNotValidError:
        return None
    return normalized if normalized == domain.lower() else None


def domain_of(address: str) -> str:
    """The part behind the last `@`, in lower case."""
    return address.rpartition("@")[2].strip("> ").lower()
