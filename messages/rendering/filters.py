"""The filters a dealership's templates need.

Each takes what JSON can hold. An absent value passes through untouched, so that
`{{ message.vehicle.price | money | default('ask us') }}` works, and a blank text is an absent value;
anything else that a filter cannot read raises FilterError, which names the filter and never the value.
"""

import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache, wraps
from urllib.parse import urlsplit

import phonenumbers
from jinja2 import TemplateRuntimeError
from jinja2.runtime import StrictUndefined, Undefined
from markupsafe import Markup, escape
from phonenumbers import NumberParseException, PhoneNumberFormat

from messages.clean_text import with_line_feeds
from messages.invisible import is_blank, trim
from messages.rendering.moments import LocalTime
from messages.wording import kind_of

Filter = Callable[..., object]

#: What a filter's function may raise for a value that it cannot read.
_UNREADABLE = (ValueError, TypeError, ArithmeticError, OSError, NumberParseException)

_CENT = Decimal("0.01")
#: More digits than any price or odometer has; keeps "1e999999" from being written out.
_MAX_DIGITS = 15
_BLANK_LINES = re.compile(r"\n\s*\n")

#: No amount or number is longer, and reading it must not take long.
_MAX_LENGTH = 64
#: Digits with or without commas before each group of three, and a fraction.
_NUMBER = r"((?:\d+|[1-9]\d{0,2}(?:,\d{3})+)?(?:\.(\d*))?)"
_NUMBER_TEXT = re.compile(rf"([-+]?)\s*{_NUMBER}")
_MONEY_TEXT = re.compile(rf"(\$?\s*[-+]?|[-+]\s*\$)\s*{_NUMBER}(?:\s*\$)?")
_AMBIGUOUS_DIGITS = 3

#: Filters that make text of text: a blank one is shown as nothing.
_TEXT_FILTERS = frozenset({"paragraphs", "vehicle", "full_name"})

#: What browsers leave out of an address.
_LINE_BREAKS_OR_TABS = re.compile(r"[\t\n\r]")

_DIGIT, _LETTER = re.compile(r"\d"), re.compile(r"[^\W\d_]")
_MAX_FORM = 30


class FilterError(TemplateRuntimeError):
    """A filter was given what it cannot read. The text says what it takes, and the form of the value."""

    def __init__(self, name: str, takes: str, value: object) -> None:
        super().__init__(f"the filter {name!r} takes {takes}; it was given {form_of(value)}")
        self.filter, self.takes = name, takes
        self.value = value  #: may be a customer's data: not for texts


class BlankText(str):
    """A field's text that shows nothing. Filters take it for `absent`, as they take null."""

    absent: Undefined

    def __new__(cls, text: str, absent: Undefined) -> "BlankText":
        """`absent` stands for the field that has this text."""
        blank = super().__new__(cls, text)
        blank.absent = absent
        return blank


def filters_for(timezone: str) -> dict[str, Filter]:
    """Give the filters by name; times are shown in `timezone`. Raises SettingsError for an unknown one."""
    local = LocalTime(timezone)
    moment = "a time in ISO 8601 or in seconds since 1970, such as 2025-06-14T10:30:00-04:00"
    functions: dict[str, tuple[Filter, str]] = {
        "date": (local.date, moment),
        "time": (local.time, f"{moment}, with the time of day"),
        "datetime": (local.datetime, moment),
        "phone": (phone, "a phone number such as +18042221111"),
        "money": (money, f"an amount of dollars, {_notations('$24,990.50')}"),
        "number": (number, f"a number, {_notations('24,990.5')}"),
        "mileage": (mileage, f"a number of miles, {_notations('24,990.5')}"),
        "paragraphs": (paragraphs, "text"),
        "vehicle": (vehicle, "a vehicle: an object with year, make, model and trim, or its name"),
        "full_name": (full_name, "a person: an object with firstName and lastName, or a name"),
        "link": (link, "an http(s), mailto or tel address"),
    }
    guarded = {name: _guarded(name, function, takes) for name, (function, takes) in functions.items()}
    return guarded | {"default": default, "d": default}


def _notations(example: str) -> str:
    return f"as a number or as text such as 24990 or {example} (three digits after a point are ambiguous)"


def _guarded(name: str, function: Filter, takes: str) -> Filter:
    @wraps(function)
    def guarded(value: object, *args: object, **options: object) -> object:
        if isinstance(value, Undefined):
            return value
        if is_blank_text(value):
            return _absent(name, takes, value)
        try:
            return function(value, *args, **options)
        except _UNREADABLE:
            raise FilterError(name, takes, value) from None

    return guarded


def is_blank_text(value: object) -> bool:
    """Whether the value is a text that shows nothing: the same as no value, for filters and `is defined`."""
    return isinstance(value, str) and is_blank(value)


def _absent(name: str, takes: str, value: object) -> Undefined:
    if name in _TEXT_FILTERS:
        return Undefined()  # shown as nothing
    if isinstance(value, BlankText):
        return value.absent
    return StrictUndefined(exc=lambda _: FilterError(name, takes, value))  # type: ignore[arg-type]  # makes the error


def default(value: object, default_value: object = "", boolean: bool = False) -> object:
    """Give `default_value` where the value is absent or a blank text; with `boolean`, where it is false."""
    is_absent = isinstance(value, Undefined) or is_blank_text(value) or (boolean and not value)
    return default_value if is_absent else value


def is_defined(value: object) -> bool:
    """The test `is defined`: whether there is a value, and it is not a blank text."""
    return not isinstance(value, Undefined) and not is_blank_text(value)


def form_of(value: object) -> str:
    """Describe a value without telling it: each digit of a text as 9, each letter as a."""
    if not isinstance(value, str):
        return kind_of(value)
    if is_blank(value):
        return "a blank text"
    form = _LETTER.sub("a", _DIGIT.sub("9", value[:_MAX_FORM]))
    return f"a text like {form!r}{'…' if len(value) > _MAX_FORM else ''}"


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
    """`24990` → `$24,990`, with `cents` `$24,990.00`; `"24,990.5"` → `$24,990.50`; `-5` → `-$5`."""
    amount = _decimal(value, _MONEY_TEXT).quantize(_CENT, ROUND_HALF_UP)
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
    text = str(escape(with_line_feeds(_text(value)))).strip()
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
    pieces = (_piece(value.get(field)) for field in fields)
    return " ".join(filter(None, pieces)) or _piece(value.get("name"))


def _piece(value: object) -> str:
    """What a field adds to a name. Raises TypeError for what Python would show in its own notation."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError
    return (f"{value:g}" if isinstance(value, float) else str(value)).strip()


def link(value: object) -> str:
    """Pass on an address that a link may lead to: no `javascript:`, no relative path. Spaces become `%20`."""
    address = _LINE_BREAKS_OR_TABS.sub("", _text(value).strip().replace(" ", "%20"))
    parts = urlsplit(address)
    if parts.scheme in ("http", "https"):
        is_address = bool(parts.netloc) and "%20" not in parts.netloc
    else:
        is_address = parts.scheme in ("mailto", "tel") and bool(parts.path)
    if not is_address:
        raise ValueError
    return address


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _decimal(value: object, notation: re.Pattern[str] = _NUMBER_TEXT) -> Decimal:
    """May raise ValueError, TypeError or InvalidOperation (an ArithmeticError)."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise TypeError
    amount = _read(value, notation) if isinstance(value, str) else Decimal(str(value))
    if not amount.is_finite() or abs(amount.adjusted()) > _MAX_DIGITS:
        raise InvalidOperation
    return amount


def _read(text: str, notation: re.Pattern[str]) -> Decimal:
    """Read only what cannot mean two numbers: `1.234,56`, `24990,50` and `24.990` are refused."""
    found = notation.fullmatch(trim(text)) if len(text) <= _MAX_LENGTH else None
    if not found or text.count("$") > 1 or len(found[3] or "") == _AMBIGUOUS_DIGITS:
        raise ValueError
    amount = Decimal(found[2].replace(",", ""))
    return -amount if "-" in found[1] else amount
