"""The filters a dealership's templates need.

Each takes what JSON can hold. Something absent passes through untouched, so that
`{{ message.vehicle.price | money | default('ask us') }}` works; anything else that a filter
cannot read raises FilterError, which names the filter and never the value.
"""

import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache, wraps
from urllib.parse import urlsplit

import phonenumbers
from jinja2 import TemplateRuntimeError
from jinja2.runtime import Undefined
from markupsafe import Markup, escape
from phonenumbers import NumberParseException, PhoneNumberFormat

from messages.rendering.moments import LocalTime

Filter = Callable[..., object]

#: What a filter's function may raise for a value that it cannot read.
_UNREADABLE = (ValueError, TypeError, ArithmeticError, OSError, NumberParseException)

_CENT = Decimal("0.01")
#: More digits than any price or odometer has; keeps "1e999999" from being written out.
_MAX_DIGITS = 15
_BLANK_LINES = re.compile(r"\n\s*\n")


class FilterError(TemplateRuntimeError):
    """A filter was given what it cannot read. The text says which filter and what it takes."""

    def __init__(self, name: str, takes: str) -> None:
        super().__init__(f"the filter {name!r} takes {takes}; it was given something else")
        self.filter, self.takes = name, takes
        self.value: object = None  #: what it was given, where `messages.rendering.dry_run` asks for it


def filters_for(timezone: str) -> dict[str, Filter]:
    """Give the filters by name; times are shown in `timezone`. Raises SettingsError for an unknown one."""
    local = LocalTime(timezone)
    moment = "a time in ISO 8601 or in seconds since 1970"
    functions: dict[str, tuple[Filter, str]] = {
        "date": (local.date, moment),
        "time": (local.time, moment),
        "datetime": (local.datetime, moment),
        "phone": (phone, "a phone number such as +18042221111"),
        "money": (money, "an amount of dollars"),
        "number": (number, "a number"),
        "mileage": (mileage, "a number of miles"),
        "paragraphs": (paragraphs, "text"),
        "vehicle": (vehicle, "a vehicle: an object with year, make, model and trim, or its name"),
        "full_name": (full_name, "a person: an object with firstName and lastName, or a name"),
        "link": (link, "an http(s), mailto or tel address"),
    }
    return {name: _guarded(name, function, takes) for name, (function, takes) in functions.items()}


def _guarded(name: str, function: Filter, takes: str) -> Filter:
    @wraps(function)
    def guarded(value: object, *args: object, **options: object) -> object:
        if isinstance(value, Undefined):
            return value
        try:
            return function(value, *args, **options)
        except _UNREADABLE:
            raise FilterError(name, takes) from None

    return guarded


@lru_cache(maxsize=1024)
def phone(value: str) -> str:
    """`+18042221111` → `(804) 222-1111`; abroad, `+44 20 7946 0018`."""
    parsed = phonenumbers.parse(value, "US")
    if not phonenumbers.is_possible_number(parsed):
        raise ValueError
    domestic = parsed.country_code == 1
    shape = PhoneNumberFormat.NATIONAL if domestic else PhoneNumberFormat.INTERNATIONAL
    return phonenumbers.format_number(parsed, shape)


def money(value: object, *, cents: bool = False) -> str:
    """`24990` → `$24,990`, with `cents` `$24,990.00`; `"24990.5"` → `$24,990.50`; `-5` → `-$5`."""
    amount = _decimal(value).quantize(_CENT, ROUND_HALF_UP)
    whole = not cents and amount == amount.to_integral_value()
    sign = "-" if amount < 0 else ""
    return f"{sign}${abs(amount):,.{0 if whole else 2}f}"


def number(value: object) -> str:
    """`12345` → `12,345`."""
    return f"{_decimal(value).normalize():,f}"


def mileage(value: object) -> str:
    """`12345.4` → `12,345 miles`."""
    miles = _decimal(value).to_integral_value(ROUND_HALF_UP)
    return f"{miles:,} mile{'' if miles == 1 else 's'}"


def paragraphs(value: object) -> Markup:
    """Plain text as safe HTML: a `<p>` for each paragraph, `<br>` where a line ends."""
    text = str(escape(_text(value))).replace("\r\n", "\n").strip()
    blocks = [block.strip().replace("\n", "<br>\n") for block in _BLANK_LINES.split(text)] if text else []
    return Markup("\n".join(f"<p>{block}</p>" for block in blocks))  # noqa: S704 - escaped above


def vehicle(value: object) -> str:
    """`{"year": 2022, "make": "Honda", "model": "Civic"}` → `2022 Honda Civic`; '' when none is given."""
    return _joined(value, "year", "make", "model", "trim")


def full_name(value: object) -> str:
    """`{"firstName": "Dana", "lastName": "Ruiz"}` → `Dana Ruiz`; '' when neither is given."""
    return _joined(value, "firstName", "lastName")


def _joined(value: object, *fields: str) -> str:
    if not isinstance(value, dict):
        return _text(value)
    return " ".join(str(value[field]) for field in fields if value.get(field)) or str(value.get("name") or "")


def link(value: object) -> str:
    """Pass on an address that a link may lead to; `javascript:` and relative paths are none."""
    address = _text(value).strip()
    parts = urlsplit(address)
    if not (parts.netloc if parts.scheme in ("http", "https") else parts.scheme in ("mailto", "tel")):
        raise ValueError
    return address


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _decimal(value: object) -> Decimal:
    """May raise ValueError, TypeError or InvalidOperation (an ArithmeticError)."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise TypeError
    text = re.sub(r"[$,\s]", "", str(value))
    amount = Decimal(text)
    if not amount.is_finite() or abs(amount.adjusted()) > _MAX_DIGITS:
        raise InvalidOperation
    return amount
