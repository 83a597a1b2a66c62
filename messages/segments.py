"""How a text travels as SMS: its encoding, and how many segments it is billed as.

Source of the tables and sizes: 3GPP TS 23.038 (the GSM 7-bit alphabet) and TS 23.040 (concatenation). What is
split between two segments is Twilio's choice: its own calculator keeps a grapheme cluster (a flag, a family,
a letter with its accents) in one segment, see https://github.com/TwilioDevEd/message-segment-calculator.
A messaging service with Smart Encoding may send fewer: it replaces characters before it counts.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from wcwidth import iter_graphemes

from messages.clean_text import clean

#: The longest body Twilio takes, in characters, whatever the encoding.
MAX_CHARACTERS = 1600

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
#: Reached by an escape, so each takes two septets.
_EXTENSION = frozenset("\f^{}\\[~]|€")
_ALPHABET = _BASIC | _EXTENSION

#: 16-bit code units in a segment that is alone, and in each of several.
_UCS2_ALONE, _UCS2_JOINED = 70, 67


class Encoding(StrEnum):
    """How the characters are coded. One character outside GSM-7 makes the whole text UCS-2."""

    GSM_7 = "GSM-7"
    UCS_2 = "UCS-2"


@dataclass(frozen=True, slots=True)
class Segments:
    """What a body costs on the air."""

    encoding: Encoding
    count: int  #: segments billed; 1 for an empty body
    units: int  #: septets of GSM-7, or 16-bit code units of UCS-2


def sms_length(text: str) -> int:
    """The number of characters that an SMS of this text has: rendering removes controls and outer blanks."""
    return len(clean(text).strip())


def segments_of(body: str) -> Segments:
    """Count the segments of `body`: 160 units in one alone, 153 in each of several (UCS-2: 70 and 67)."""
    if _ALPHABET.issuperset(body):
        return _count(Encoding.GSM_7, map(_septets, body), alone=160, joined=153)
    units = _code_units(body)
    if units <= _UCS2_ALONE:
        return Segments(Encoding.UCS_2, 1, units)
    return _count(Encoding.UCS_2, _unsplit(body), alone=_UCS2_ALONE, joined=_UCS2_JOINED)


def outside_gsm7(body: str) -> str:
    """Give the characters that force UCS-2 on `body`, each once, in order of appearance; '' for none."""
    return "".join(dict.fromkeys(character for character in body if character not in _ALPHABET))


def _septets(character: str) -> int:
    return 2 if character in _EXTENSION else 1


def _code_units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _unsplit(body: str) -> Iterator[int]:
    """Give the sizes of the pieces that no boundary between two segments splits, in 16-bit code units."""
    for cluster in iter_graphemes(body):
        size = _code_units(cluster)
        # One that no segment can hold is split all the same; CR and LF are two characters to Twilio.
        if size > _UCS2_JOINED or cluster == "\r\n":
            yield from map(_code_units, cluster)
        else:
            yield size


def _count(encoding: Encoding, pieces: Iterable[int], *, alone: int, joined: int) -> Segments:
    sizes = list(pieces)
    units = sum(sizes)
    return Segments(encoding, 1 if units <= alone else _filled(sizes, joined), units)


def _filled(sizes: Iterable[int], capacity: int) -> int:
    """Segments needed when no piece may be split between two of them."""
    count, room = 1, capacity
    for size in sizes:
        if size > room:
            count, room = count + 1, capacity
        room -= size
    return count
