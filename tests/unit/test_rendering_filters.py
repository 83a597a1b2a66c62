import re
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment, UndefinedError

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
        *[
            ("money", text, "$24,990")
            for text in ("24,990", "$24,990.00", "\u00a0$ 24990 ", "24990\u202f$", "24990.")
        ],
        *[("money", text, "$24,990") for text in ("+24990", "２４９９０", "024990", 24_990.00, 2.499e4)],
        *[
            ("money", text, "-$24,990.50")
            for text in ("-24,990.50", "-$24990.5", "$-24990.5", "- $ 24,990.5000")
        ],
        ("money", 24.990, "$24.99"),
        ("money", 24990.999, "$24,991"),
        ("money", ".5", "$0.50"),
        ("money", "1,234,567.89", "$1,234,567.89"),
        ("number", 1234567, "1,234,567"),
        ("number", 1000, "1,000"),
        ("number", 4.5, "4.5"),
        ("mileage", 18240, "18,240 miles"),
        ("mileage", "1", "1 mile"),
        ("mileage", "18,240.5", "18,241 miles"),
        ("date", "2025-06-14", "Saturday, June 14"),
        ("date", "2025-06-15T03:00:00Z", "Saturday, June 14"),
        ("date", "\u00a02025-06-15t03:00:00z ", "Saturday, June 14"),
        ("datetime", "2025-06-14", "Saturday, June 14"),
        ("time", "2025-06-14T10:30:00", "10:30 AM"),
        ("time", "2025-06-14T14:30:00Z", "10:30 AM"),
        ("time", "2025-06-14T07:30:00-07:00", "10:30 AM"),
        ("time", "2025-06-14T00:05:00", "12:05 AM"),
        ("time", "2025-06-14T12:00:00", "12:00 PM"),
        ("datetime", 1749911400, "Saturday, June 14 at 10:30 AM"),
        ("datetime", 1749911400000, "Saturday, June 14 at 10:30 AM"),
        ("vehicle", {"year": 2022, "make": "Honda", "model": "Civic", "trim": None}, "2022 Honda Civic"),
        ("vehicle", {"vin": "2HGFE2F59NH000000"}, ""),
        ("vehicle", {"year": 2022.0, "make": " ", "model": "Civic "}, "2022 Civic"),
        ("vehicle", "a blue Civic", "a blue Civic"),
        ("full_name", {"firstName": "Dana", "lastName": "Ruiz"}, "Dana Ruiz"),
        ("full_name", {"name": "Dana R."}, "Dana R."),
        ("link", "https://rivertown.example/a?b=c", "https://rivertown.example/a?b=c"),
        ("link", "tel:+18042221111", "tel:+18042221111"),
        ("link", " https://rivertown.example/a b\n", "https://rivertown.example/a%20b"),
        ("paragraphs", "", ""),
        ("paragraphs", "a\nb\n\n\nc", "<p>a<br>\nb</p>\n<p>c</p>"),
        ("paragraphs", "a\r\n\r\nb", "<p>a</p>\n<p>b</p>"),
        ("paragraphs", "a\vb\rc\f\vd\u2028e", "<p>a<br>\nb<br>\nc</p>\n<p>d<br>\ne</p>"),
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
        *[("phone", bad) for bad in ("secret", "12", 8042221111, {}, [])],
        *[
            ("money", bad)
            for bad in ("secret", "1e999999", "1e-999999", float("nan"), float("inf"), True, [], {})
        ],
        *[
            ("money", bad)
            for bad in ("1.234,56", "24990,50", "24,99,0", "24.990", "24.990,00 €", "24990.000")
        ],
        *[
            ("money", bad)
            for bad in ("1,2345", ",990", "0,990", "24,990,", "1,234567", "24 990", "1.234.567")
        ],
        *[
            ("money", bad)
            for bad in ("5-", "(5)", "--5", "-$-5", "$5$", "€5", "$", "-", ".", "1e3", "24_990")
        ],
        *[("money", bad) for bad in ("NaN", "Infinity", "9" * 17, 10**30, "9" * 100_000, 1e300)],
        *[("number", bad) for bad in ("secret", "1e99", "$5", "12.345", "12,34")],
        *[("mileage", bad) for bad in ("secret", {}, "18.240", "18,24")],
        *[("date", bad) for bad in ("secret", "2025-13-01", True, [], {}, 1e300, float("nan"))],
        *[("date", bad) for bad in ("1712091200059", "1749911400", "06/14/2025", "2025-06-14_10:30", "2025")],
        *[("time", bad) for bad in ("secret", "25:00", "2025-06-14", "2025-06-14T")],
        *[("link", bad) for bad in ("secret", "javascript:alert(1)", "/path", "https://", "http://[", 5)],
        *[("link", bad) for bad in ("https://secret host/", "mailto:", "java\nscript:alert(1)")],
        *[("paragraphs", bad) for bad in (5, ["secret"])],
        *[("vehicle", bad) for bad in (5, ["secret"], {"make": {"name": "secret"}}, {"year": True})],
        *[("full_name", bad) for bad in ({"firstName": ["secret"]}, {"name": {}})],
    ],
)
def test_what_a_filter_cannot_read_is_an_error_that_names_the_filter_and_not_the_value(name, value):
    with pytest.raises(FilterError) as caught:
        applied(name, value)
    assert repr(name) in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("1.234,56", "a text like '9.999,99'"),
        ("Maya Chen, née Ünal 4", "a text like 'aaaa aaaa, aaa aaaa 9'"),
        ("x" * 31, f"a text like '{'a' * 30}'…"),
        ({"amount": 1}, "an object"),
        (True, "true or false"),
    ],
)
def test_a_refusal_tells_the_form_of_the_value_and_what_is_right(value, form):
    with pytest.raises(FilterError) as caught:
        applied("money", value)
    assert str(caught.value) == (
        "the filter 'money' takes an amount of dollars, as a number or as text such as 24990 or $24,990.50 "
        f"(three digits after a point are ambiguous); it was given {form}"
    )


@given(st.text(st.sampled_from("0123456789.,-$ \u00a0"), max_size=12))
def test_money_reads_a_text_as_the_amount_that_python_reads_without_its_commas(text):
    try:
        shown = applied("money", text, cents=True)
    except (FilterError, UndefinedError):
        return
    amount = Decimal(re.sub(r"[$,\s]", "", text)).quantize(Decimal("0.01"), ROUND_HALF_UP)
    assert Decimal(shown.replace("$", "").replace(",", "")) == amount
    assert all(len(group) == 3 for group in re.split(r"[.]", re.sub(r"[$\s]", "", text))[0].split(",")[1:])


@pytest.mark.parametrize("name", sorted(NEW_YORK))
@pytest.mark.parametrize("given_value", [{}, {"value": ""}, {"value": " \u00a0\n"}])
def test_something_absent_or_blank_passes_through_to_the_default(name, given_value):
    environment = Environment(autoescape=True)
    environment.filters.update(NEW_YORK)
    source = "{{ value | " + name + " | default('ask us') }}"
    assert environment.from_string(source).render(given_value) == "ask us"


@pytest.mark.parametrize("name", ["paragraphs", "vehicle", "full_name"])
def test_a_blank_text_is_shown_as_nothing(name):
    assert applied(name, " ") == ""


@pytest.mark.parametrize("name", ["money", "phone", "date", "time", "datetime", "number", "mileage", "link"])
def test_a_blank_value_without_a_default_is_an_error(name):
    with pytest.raises(FilterError, match=f"the filter '{name}' takes .* it was given a blank text"):
        applied(name, "")


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "America"])
def test_a_time_zone_that_does_not_exist_is_a_settings_error(zone):
    with pytest.raises(SettingsError, match="DEFAULT_TIMEZONE"):
        filters_for(zone)
