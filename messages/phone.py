"""Phone numbers: the API page's pattern in, E.164 out."""

import re

from messages.wording import shown

#: The API page's pattern, to the letter. It admits North American numbers only.
PATTERN = r"^\+?1?[- ]?\(?([0-9]{3})\)?[- ]?([0-9]{3})-?([0-9]{4})$"

_COMPILED = re.compile(PATTERN)


class PhoneError(ValueError):
    """The text is no phone number in the API's pattern."""


def to_e164(text: str) -> str:
    """`(804) 222-1111` → `+18042221111`. Raises PhoneError.

    `fullmatch`, because `$` alone lets a trailing newline through.
    """
    match = _COMPILED.fullmatch(text)
    if match is None:
        raise PhoneError(f"{shown(text)} is not a North American phone number; write it like +1 804-222-1111")
    return "+1" + "".join(match.groups())
