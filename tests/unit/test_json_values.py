"""Numbers of a JSON body arrive as they were written, or as one that every check refuses."""

import json
import math

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages.json_values import inspect, parse_json

BEYOND = (
    "12345678901234567890123",
    "-12345678901234567890123",
    "18446744073709551616",
    "-9223372036854775809",
    "12345678901234567890123.0",
    "1.2345678901234567890123e22",
    "12345678901234567890123E0",
    "1e400",
    "-1e400",
    "1E999",
    "1" * 400,
    "1" * 6000,
)
LARGE = f'["{"x" * 99_999}", %s]'
EXACT = (
    "0", "-0.0", "1.5", "2.499e4", "1e22", "1e30", "1.2345678901234568e+22", "1.7976931348623157e308",
    "5e-324", "18446744073709551615", "-9223372036854775808", "0.30000000000000004",
    "-77.43605000000000000001",
)  # fmt: skip


@pytest.mark.parametrize("number", BEYOND)
@pytest.mark.parametrize("place", ["%s", '{"vehicle": [{"price": %s}]}', '["%%", %s]', LARGE])
def test_number_beyond_64_bits_is_refused_wherever_it_stands(number, place):
    reason, _ = inspect(parse_json((place % number).encode()), 50)
    assert reason is not None
    assert "holds a number of more than 64 bits" in reason


@pytest.mark.parametrize("number", EXACT)
def test_number_that_64_bits_hold_is_the_same_number(number):
    parsed = parse_json(f'{{"n": {number}}}'.encode())
    assert parsed == {"n": json.loads(number)}
    assert inspect(parsed, 50)[0] is None


@pytest.mark.parametrize("text", ["12345678901234567890123", "1e400", "-" * 40, "." * 30, "9" * 5000])
def test_digits_within_a_string_are_text(text):
    body = json.dumps({"text": text, "é": 1}).encode()
    assert parse_json(body) == {"text": text, "é": 1}


@pytest.mark.parametrize(
    "body", [b"NaN", b"[Infinity, 1e400]", b"", b"{", b"[1e400", b'"\xff 1e400"', b"\xff"]
)
def test_body_that_is_not_json_is_an_error(body):
    with pytest.raises(ValueError):  # noqa: PT011 - of either parser
        parse_json(body)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_float_that_json_has_no_form_for_is_refused(number):
    assert "is not a JSON number" in str(inspect({"a": [number]}, 50)[0])


def test_nesting_names_the_depth_and_the_limit():
    deep: object = "x"
    for _ in range(60):
        deep = [deep]
    assert inspect(deep, 50)[0] == "is nested 60 levels deep; at most 50 are allowed"
    assert inspect(deep, 60)[0] is None


def test_deepest_json_that_orjson_reads_is_refused_though_it_has_a_large_number():
    body = b"[" * 1000 + b"12345678901234567890123" + b"]" * 1000
    assert "1,000 levels" in str(inspect(parse_json(body), 50)[0]).replace("1000", "1,000")


texts = st.text(st.characters(exclude_categories=["Cs"]))
numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.recursive(
        st.none() | st.booleans() | numbers | texts,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner),
    )
)
def test_any_json_is_parsed_as_orjson_parses_it(value):
    body = orjson.dumps(value)
    assert parse_json(body) == orjson.loads(body)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("123456789012345678901.5", "(123456789012345678902)"),
        ("18446744073709551615.5", "(18446744073709551616)"),
        ("1e400", "(1e100 or larger)"),
    ],
)
def test_refused_fraction_is_shown_by_its_size(text, shown):
    reason, _ = inspect(parse_json(text.encode()), 50)
    assert reason
    assert shown in reason
