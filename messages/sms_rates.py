"""How many segments a second an SMS sender may send. Pure.

Twilio's limits, by kind of sender: https://help.twilio.com/articles/115002943027 (long codes),
https://help.twilio.com/articles/4411046744987 (toll-free); short codes have 100.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

UNLIMITED = "unlimited"

_TOLL_FREE = re.compile(r"\+1(800|833|844|855|866|877|888)[0-9]{7}")
_SHORT = re.compile(r"[0-9]{5,6}")
_NUMBER = re.compile(r"\+[0-9]{7,15}")
_SERVICE = re.compile(r"MG[0-9a-fA-F]{32}")

_WRONG = (
    "write it like long=1,toll-free=3,short=100,+15005550006=10: segments a second by kind of sender, "
    "by number or by messaging service, above 0 and at most 10000, or unlimited"
)


class SenderKind(StrEnum):
    """The kinds of sender that carriers tell apart. The value is what SMS_RATES calls it."""

    LONG = "long"
    TOLL_FREE = "toll-free"  #: of the US and Canada
    SHORT = "short"
    SERVICE = "service"  #: a Twilio messaging service, which has many numbers and a queue of its own


#: Segments a second, None for unlimited.
Rates = Mapping[str, float | None]

TWILIO_RATES: Rates = {SenderKind.LONG: 1, SenderKind.TOLL_FREE: 3, SenderKind.SHORT: 100}


@dataclass(frozen=True, slots=True)
class SmsRates:
    """The rate of each sender: its own, else its kind's, else none."""

    rates: Rates = field(default_factory=dict)

    def of(self, sender: str) -> float | None:
        """Segments a second; None: unlimited. `sender`: E.164, a short code, or a service's SID."""
        if not self.rates or sender in self.rates:
            return self.rates.get(sender)
        return self.rates.get(kind_of(sender))


def kind_of(sender: str) -> SenderKind:
    """`+18005551234` → toll-free."""
    if _TOLL_FREE.fullmatch(sender):
        return SenderKind.TOLL_FREE
    if _SHORT.fullmatch(sender):
        return SenderKind.SHORT
    return SenderKind.SERVICE if _SERVICE.fullmatch(sender) else SenderKind.LONG


def parse_rates(text: str) -> Rates:
    """`long=1,+15005550006=10` → rates by kind or sender. Raises ValueError."""
    rates: dict[str, float | None] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = (side.strip() for side in part.partition("="))
        known = name in set(SenderKind) or any(p.fullmatch(name) for p in (_NUMBER, _SHORT, _SERVICE))
        if not known or name in rates:
            raise ValueError(_WRONG)
        rates[name] = None if value == UNLIMITED else _number(value)
    return rates


def default_rates(twilio_base_url: str) -> Rates:
    """Twilio's own limits, where it is Twilio that we send to; none for a look-alike."""
    host = urlsplit(twilio_base_url).hostname or ""
    return TWILIO_RATES if host == "twilio.com" or host.endswith(".twilio.com") else {}


def _number(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        raise ValueError(_WRONG) from None
    if not math.isfinite(number) or not 0 < number <= 10_000:  # noqa: PLR2004 - see _WRONG
        raise ValueError(_WRONG)
    return number
