"""Phone numbers: the API page's pattern in, E.164 out; in related objects, the usual notations."""

import re
import unicodedata

from messages.invisible import without_marks
from messages.wording import shown

#: The API page's pattern, to the letter. It admits North American numbers only.
PATTERN = r"^\+?1?[- ]?\(?([0-9]{3})\)?[- ]?([0-9]{3})-?([0-9]{4})$"

_COMPILED = re.compile(PATTERN)

#: `+1 804 555 0100`, `1 (804) 555-0100`, `804.555.0100`, `804/555-0100`, once blanks and dashes are ASCII.
_USUAL = re.compile(
    r"(?:\+?1)?[ .-]{0,3}\(? ?([0-9]{3}) ?\)?[ ./-]{0,3}([0-9]{3})[ .-]{0,3}([0-9]{4})", re.ASCII
)
_SCHEME = re.compile(r"\s*tel:\s*", re.IGNORECASE)
_DASHES = re.compile("[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]")

#: No notation of a number is longer, in characters.
_LONGEST = 60


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


def read_phone(text: str) -> str:
    """`+1 804 555 0100`, `804.555.0100`, `(804) 555-0100`, `tel:+18045550100` → E.164. Raises PhoneError.

    Blanks and dashes of any kind are one, and marks that nobody sees are left out. An extension is refused:
    no SMS can reach it.
    """
    if len(text) <= _LONGEST:
        plain = unicodedata.normalize("NFKC", without_marks(text))
        plain = _SCHEME.sub("", _DASHES.sub("-", " ".join(plain.split())), count=1)
        for pattern in (_COMPILED, _USUAL):
            if match := pattern.fullmatch(plain):
                return "+1" + "".join(match.groups())
    raise PhoneError(f"{shown(text)} is not a North American phone number; write it like +1 804 555 0100")
