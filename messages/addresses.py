"""E-mail addresses: `idn-email` in, a normalised address out."""

import re
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

from messages.invisible import trim
from messages.wording import shown


class AddressError(ValueError):
    """The text is no e-mail address."""


#: What most addresses are: ASCII, nothing in it to normalise but the case of the domain.
_PLAIN = re.compile(r"([a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*)@([A-Za-z0-9.-]+)")
_MAX_LENGTH = 254

#: RFC 5321 4.5.3.1.1, in octets of UTF-8.
_MAX_LOCAL_BYTES = 64

_SCHEME = re.compile(r"mailto:\s*", re.IGNORECASE)


def to_email(text: str) -> str:
    """The address, normalised (Unicode NFC, domain in lower case). Raises AddressError.

    What is plain is not looked at as closely as the rest: most of a Message's checks would be this one.
    """
    try:
        plain = _PLAIN.fullmatch(text) if len(text) <= _MAX_LENGTH else None
        if plain and len(plain[1]) <= _MAX_LOCAL_BYTES and (domain := _plain_domain(plain[2])):
            return f"{plain[1]}@{domain}"
        return _validated(text)
    except EmailNotValidError as error:
        raise AddressError(
            f"{shown(text)} is not an e-mail address ({str(error).rstrip('.')}); "
            "write it like name@example.com"
        ) from None


def read_email(text: str) -> str:
    """Likewise of a related object: with blanks around it, or as a `mailto:` link. Raises AddressError."""
    return to_email(_SCHEME.sub("", trim(text), count=1) if len(text) <= 2 * _MAX_LENGTH else text)


def _validated(text: str) -> str:
    """Raises EmailNotValidError. `test_environment` admits `.test`, a domain that no real mail can reach.

    A quoted local part stays quoted only where it must be: `"dana"@example.com` is `dana@example.com`.
    """
    valid = validate_email(
        text, check_deliverability=False, test_environment=True, allow_quoted_local=True
    ).normalized
    if (size := len(valid.rpartition("@")[0].encode())) > _MAX_LOCAL_BYTES:
        raise EmailNotValidError(f"The part before the @ has {size} bytes, and may have {_MAX_LOCAL_BYTES}")
    return valid


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
