import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages.segments import Encoding, outside_gsm7, segments_of

GSM = Encoding.GSM_7
UCS = Encoding.UCS_2


@pytest.mark.parametrize(
    ("body", "encoding", "count", "units"),
    [
        ("", GSM, 1, 0),
        ("a" * 160, GSM, 1, 160),
        ("a" * 161, GSM, 2, 161),
        ("a" * 306, GSM, 2, 306),
        ("a" * 307, GSM, 3, 307),
        ("é£ñ@\n", GSM, 1, 5),
        ("€" * 80, GSM, 1, 160),
        ("€" * 80 + "a", GSM, 2, 161),
        ("ê", UCS, 1, 1),
        ("á" * 70, UCS, 1, 70),
        ("á" * 71, UCS, 2, 71),
        ("á" * 134, UCS, 2, 134),
        ("á" * 135, UCS, 3, 135),
        ("🚗", UCS, 1, 2),
        ("🚗" * 35, UCS, 1, 70),
        ("🚗" * 36, UCS, 2, 72),
    ],
)
def test_a_body_takes_so_many_units_and_segments(body, encoding, count, units):
    segments = segments_of(body)
    assert (segments.encoding, segments.count, segments.units) == (encoding, count, units)


def test_an_escaped_character_is_not_split_between_two_segments():
    # 152 + "€" leaves one septet unused: 306 units that would fit two segments need a third.
    assert segments_of("a" * 152 + "€" + "a" * 152).count == 3


def test_a_surrogate_pair_is_not_split_between_two_segments():
    assert segments_of("á" * 66 + "🚗" + "á" * 66).count == 3


def test_one_typographic_quote_makes_the_whole_text_ucs2_and_is_named():
    assert segments_of("it\u2019s").encoding is UCS
    assert outside_gsm7("it\u2019s \u201cso\u2019") == "\u2019\u201c"
    assert outside_gsm7("plain") == ""


@given(st.text())
def test_the_segments_hold_the_units_and_no_segment_is_needless(body):
    segments = segments_of(body)
    alone, joined = (160, 153) if segments.encoding is GSM else (70, 67)
    capacity = alone if segments.count == 1 else segments.count * joined
    assert segments.units <= capacity
    # At most one unit is left unused in each segment but the last.
    assert segments.count == 1 or segments.units > (segments.count - 1) * (joined - 1)


@given(st.text(), st.text())
def test_a_longer_text_never_takes_fewer_segments(body, more):
    assert segments_of(body + more).count >= segments_of(body).count


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_ucs2_units_are_the_code_units_of_utf16(body):
    segments = segments_of(body + "ê")
    assert segments.units == len((body + "ê").encode("utf-16-le")) // 2
