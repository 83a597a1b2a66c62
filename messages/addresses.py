"""E-mail addresses: `idn-email` in, a normalised address out."""

from email_validator import EmailNotValidError, validate_email

from messages.wording import shown


class AddressError(ValueError):
    """The text is no e-mail address."""


def to_email(text: str) -> str:
    """The address, normalised (Unicode NFC, domain in lower case). Raises AddressError.

    `test_environment` admits the reserved domain `.test`, which no real mail can reach.
    """
    try:
        return validate_email(text, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError as error:
        raise AddressError(
            f"{shown(text)} is not an e-mail address ({str(error).rstrip('.')}); "
            "write it like name@example.com"
        ) from None


def domain_of(address: str) -> str:
    """The part behind the last `@`, in lower case."""
    return address.rpartition("@")[2].strip("> ").lower()
