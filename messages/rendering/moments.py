"""Dates and times as a customer reads them, on the dealership's clock.

A time is what JSON can hold: ISO 8601, or a number of seconds (or, from 10^11 on, milliseconds)
since 1970. Without an offset it is taken as the dealership's own time.
"""

import datetime as dt
import re
from zoneinfo import ZoneInfo

from messages.errors import SettingsError

# Not strftime: its names follow the process's locale, and `%-d` is not portable.
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)

#: A number beyond this counts milliseconds: as seconds it would be the year 5138.
_MILLISECONDS_FROM = 1e11

#: A date of ISO 8601, then perhaps a time of day. Python reads more: the milliseconds "1712091200059" as a
#: day in 1712.
_ISO_8601 = re.compile(r"(?:\d{4}-\d\d-\d\d|\d{8}|\d{4}-?W\d\d-?\d)([Tt ].+)?", re.ASCII)


class LocalTime:
    """The filters that show a time, in one time zone."""

    def __init__(self, timezone: str) -> None:
        """`timezone` is an IANA name. Raises SettingsError when there is no such zone."""
        try:
            self._zone: dt.tzinfo = ZoneInfo(timezone)
        except (LookupError, ValueError, OSError):
            raise SettingsError(
                f"DEFAULT_TIMEZONE is wrong: {timezone!r} is no time zone; write it like America/New_York"
            ) from None

    def date(self, value: object, *, year: bool = False, short: bool = False) -> str:
        """`Saturday, June 14`; with `year`, `Saturday, June 14, 2025`; `short`, `Sat, Jun 14`."""
        return _date(self._moment(value), year=year, short=short)

    def time(self, value: object) -> str:
        """`10:30 AM`. May raise ValueError for a date without a time of day."""
        if _is_date(value):
            raise ValueError
        return _time(self._moment(value))

    def datetime(self, value: object, *, year: bool = False, short: bool = False) -> str:
        """`Saturday, June 14 at 10:30 AM`; of a date without a time of day only the date.

        `year` and `short` as for `date`.
        """
        moment = self._moment(value)
        date = _date(moment, year=year, short=short)
        return date if _is_date(value) else f"{date} at {_time(moment)}"

    def _moment(self, value: object) -> dt.datetime:
        """May raise ValueError, TypeError, OverflowError or OSError for what is no time."""
        if isinstance(value, str):
            value = _from_iso(value.strip())
        if isinstance(value, dt.datetime):
            return value.astimezone(self._zone) if value.tzinfo else value.replace(tzinfo=self._zone)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError
        seconds = value / 1000 if abs(value) >= _MILLISECONDS_FROM else value
        return dt.datetime.fromtimestamp(seconds, dt.UTC).astimezone(self._zone)


def _is_date(value: object) -> bool:
    """Whether the value has no time of day."""
    found = _ISO_8601.fullmatch(value.strip()) if isinstance(value, str) else None
    return found is not None and found[1] is None


def _from_iso(text: str) -> dt.datetime:
    if not _ISO_8601.fullmatch(text):
        raise ValueError
    return dt.datetime.fromisoformat(text.upper())  # RFC 3339 has `t` and `z` as well


def _date(moment: dt.datetime, *, year: bool, short: bool) -> str:
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
    text = f"{day[:3]}, {month[:3]} {moment.day}" if short else f"{day}, {month} {moment.day}"
    return f"{text}, {moment.year}" if year else text


def _time(moment: dt.datetime) -> str:
    text = f"{moment.hour % 12 or 12}:{moment.minute:02} {'AM' if moment.hour < 12 else 'PM'}"  # noqa: PLR2004 - noon
    # Nobody's customers live in UTC: it means the time zone was not set, and the reader must be told.
    return f"{text} UTC" if moment.tzname() == "UTC" else text
