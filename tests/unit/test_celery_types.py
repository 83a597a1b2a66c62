"""Values of Celery's own JSON types become what a Message can hold, or are refused."""

import json
import math
import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.utils.json import dumps

from messages.celery_types import from_celery, to_json
from messages.errors import InvalidMessage


def received(value: object) -> object:
    """What a producer's value is here."""
    return json.loads(dumps({"a": [value]}), object_hook=from_celery)["a"][0]


@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        (datetime(2090, 1, 1, tzinfo=UTC), "2090-01-01T00:00:00+00:00"),
        (
            datetime(2090, 1, 1, 12, 30, 5, 250_000, timezone(timedelta(hours=-5))),
            "2090-01-01T12:30:05.250000-05:00",
        ),
        (date(2090, 1, 1), "2090-01-01"),
        (time(12, 30), "12:30:00"),
        (Decimal("24990.10"), 24990.1),
        (Decimal(24990), 24990),
        (Decimal("-0.1"), -0.1),
        (Decimal("1E+3"), 1000.0),
        (Decimal("0.1234567890123456789"), "0.1234567890123456789"),
        (Decimal(2**63), "9223372036854775808"),
        (uuid.UUID("0b8f7c1e-5f0a-4a55-9a51-2f1f5f6f3c11"), "0b8f7c1e-5f0a-4a55-9a51-2f1f5f6f3c11"),
    ],
)
def test_value_of_a_celery_type_becomes_its_text_or_number(given, becomes):
    got = received(given)
    assert (got, type(got)) == (becomes, type(becomes))


@given(st.decimals(allow_nan=False, allow_infinity=False, places=None))
def test_decimal_keeps_its_value(number):
    got = received(number)
    assert Decimal(repr(got) if isinstance(got, float) else str(got)) == number


NAIVE = datetime.fromisoformat("2090-01-01T00:00:00")


@pytest.mark.parametrize("given", [NAIVE, b"text", b"\xff"])
def test_what_is_refused_stays_an_object_of_python_and_is_written_as_it_came(given):
    assert received(given) == given
    assert json.loads(to_json(received(given)), object_hook=from_celery) == given


@pytest.mark.parametrize("given", ["NaN", "Infinity", "-Infinity"])
def test_decimal_that_is_not_finite_stays_so(given):
    assert not math.isfinite(received(Decimal(given)))
    assert to_json(received(Decimal(given))) == given


@pytest.mark.parametrize(
    ("kind", "value"),
    [("datetime", "soon"), ("datetime", 5), ("date", None), ("decimal", "x"), ("decimal", []), ("uuid", "x"),
     ("uuid", {"hex": "1"}), ("uuid", {"x": 1}), ("bytes", 5), ("base64", "x"), ("planted", 1), (["x"], 1)],
)  # fmt: skip
def test_value_that_is_not_of_its_type_is_an_error_that_names_the_type(kind, value):
    with pytest.raises(InvalidMessage, match=r"^it holds a"):
        from_celery({"__type__": kind, "__value__": value})


@pytest.mark.parametrize("given", [{"__type__": "x"}, {"__type__": "x", "__value__": 1, "more": 1}, {}])
def test_object_that_only_resembles_one_stays_as_it_is(given):
    assert from_celery(given) == given
