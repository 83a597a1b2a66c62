"""Dates and times as a customer reads them, on the dealership's clock.

A time is what JSON can hold: ISO 8601, or a number of seconds (or, from 10^11 on, milliseconds)
since 1970. Without an offset it is taken as the dealership's own time.
"""

import datetime as dt
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
        """`10:30 AM`."""
        return _time(self._moment(value))

    def datetime(self, value: object, *, year: bool = False, short: bool = False) -> str:
        """`Saturday, June 14 at 10:30 AM`; `year` and `short` as for `date`."""
        moment = self._moment(value)
        return f"{_date(moment, year=year, short=short)} at {_time(moment)}"

    def _moment(self, value: object) -> dt.datetime:
        """May raise ValueError, TypeError, OverflowError or OSError for what is no time."""
        if isinstance(value, str):
            value = dt.datetime.fromisoformat(value.strip())
        if isinstance(value, dt.datetime):
            return value.astimezone(self._zone) if value.tzinfo else value.replace(tzinfo=self._zone)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError
        seconds = value / 1000 if abs(value) >= _MILLISECONDS_FROM else value
        return dt.datetime.fromtimestamp(seconds, dt.UTC).astimezone(self._zone)


def _date(moment: dt.datetime, *, year: bool, short: bool) -> str:
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
    text = f"{day[:3]}, {month[:3]} {moment.day}" if short else f"{day}, {month} {moment.day}"
    return f"{text}, {moment.year}" if year else text


def _time(moment: dt.datetime) -> str:
    text = f"{moment.hour % 12 or 12}:{moment.minute:02} {'AM' if moment.hour < 12 else 'PM'}"  # noqa: PLR2004 - noon
    # Nobody's customers live in UTC: it means the time zone was not set, and the reader must be told.
    return f"{text} UTC" if moment.tzname() == "UTC" else text
