from decimal import Decimal

import pytest
from jinja2 import Environment

from messages.errors import SettingsError
from messages.rendering.filters import FilterError, filters_for

NEW_YORK = filters_for("America/New_York")


def applied(name, value, **options):
    return str(NEW_YORK[name](value, **options))


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("phone", "+18042221111", "(804) 222-1111"),
        ("phone", "804-222-1111", "(804) 222-1111"),
        ("phone", "+442079460018", "+44 20 7946 0018"),
        ("money", 24990, "$24,990"),
        ("money", 24990.5, "$24,990.50"),
        ("money", "24990.00", "$24,990"),
        ("money", "$24,990.10", "$24,990.10"),
        ("money", Decimal("0.005"), "$0.01"),
        ("money", -5, "-$5"),
        ("money", "0", "$0"),
        ("number", 1234567, "1,234,567"),
        ("number", 1000, "1,000"),
        ("number", 4.5, "4.5"),
        ("mileage", 18240, "18,240 miles"),
        ("mileage", "1", "1 mile"),
        ("date", "2025-06-14", "Saturday, June 14"),
        ("date", "2025-06-15T03:00:00Z", "Saturday, June 14"),
        ("time", "2025-06-14T10:30:00", "10:30 AM"),
        ("time", "2025-06-14T14:30:00Z", "10:30 AM"),
        ("time", "2025-06-14T07:30:00-07:00", "10:30 AM"),
        ("time", "2025-06-14T00:05:00", "12:05 AM"),
        ("time", "2025-06-14T12:00:00", "12:00 PM"),
        ("datetime", 1749911400, "Saturday, June 14 at 10:30 AM"),
        ("datetime", 1749911400000, "Saturday, June 14 at 10:30 AM"),
        ("vehicle", {"year": 2022, "make": "Honda", "model": "Civic", "trim": None}, "2022 Honda Civic"),
        ("vehicle", {"vin": "2HGFE2F59NH000000"}, ""),
        ("vehicle", "a blue Civic", "a blue Civic"),
        ("full_name", {"firstName": "Dana", "lastName": "Ruiz"}, "Dana Ruiz"),
        ("full_name", {"name": "Dana R."}, "Dana R."),
        ("link", "https://rivertown.example/a?b=c", "https://rivertown.example/a?b=c"),
        ("link", "tel:+18042221111", "tel:+18042221111"),
        ("paragraphs", "", ""),
        ("paragraphs", "a\nb\n\n\nc", "<p>a<br>\nb</p>\n<p>c</p>"),
        ("paragraphs", "a\r\n\r\nb", "<p>a</p>\n<p>b</p>"),
        ("paragraphs", "<script>\n&", "<p>&lt;script&gt;<br>\n&amp;</p>"),
    ],
)
def test_a_filter_shows_a_value_as_a_customer_reads_it(name, value, shown):
    assert applied(name, value) == shown


def test_dates_can_be_short_and_have_their_year():
    assert applied("date", "2025-06-14", short=True) == "Sat, Jun 14"
    assert applied("date", "2025-06-14", year=True) == "Saturday, June 14, 2025"
    assert applied("datetime", "2025-06-14T10:30", short=True) == "Sat, Jun 14 at 10:30 AM"


def test_money_can_be_held_to_cents():
    assert applied("money", 24990, cents=True) == "$24,990.00"


def test_a_time_in_utc_says_so_because_no_customer_lives_there():
    assert filters_for("UTC")["time"]("2025-06-14T14:30:00Z") == "2:30 PM UTC"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("phone", bad) for bad in ("secret", "", "12", 8042221111, {}, [])],
        *[("money", bad) for bad in ("secret", "", "NaN", "Infinity", "1e999999", "1e-999999", True, [], {})],
        *[("number", bad) for bad in ("secret", "1e99")],
        *[("mileage", bad) for bad in ("secret", {})],
        *[("date", bad) for bad in ("secret", "", "2025-13-01", True, [], {}, 1e300, float("nan"))],
        *[("time", bad) for bad in ("secret", "25:00")],
        *[("link", bad) for bad in ("secret", "javascript:alert(1)", "/path", "https://", "http://[", 5)],
        *[("paragraphs", bad) for bad in (5, ["secret"])],
        *[("vehicle", bad) for bad in (5, ["secret"])],
    ],
)
def test_what_a_filter_cannot_read_is_an_error_that_names_the_filter_and_not_the_value(name, value):
    with pytest.raises(FilterError) as caught:
        applied(name, value)
    assert repr(name) in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", sorted(NEW_YORK))
def test_something_absent_passes_through_to_the_default(name):
    environment = Environment(autoescape=True)
    environment.filters.update(NEW_YORK)
    assert environment.from_string("{{ missing | " + name + " | default('ask us') }}").render() == "ask us"


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "America"])
def test_a_time_zone_that_does_not_exist_is_a_settings_error(zone):
    with pytest.raises(SettingsError, match="DEFAULT_TIMEZONE"):
        filters_for(zone)
