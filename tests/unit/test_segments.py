import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import iter_graphemes

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


#: What a person sees as one character, and its size in 16-bit code units.
CLUSTERS = {
    "emoji": ("🚗", 2),
    "flag": ("🇺🇸", 4),
    "flag of England": ("🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", 14),
    "skin tone": ("👍🏽", 4),
    "family": ("👨‍👩‍👧‍👦", 11),
    "couple with a heart": ("👩‍❤️‍👨", 8),
    "heart with its variation": ("❤️", 2),
    "keycap": ("1️⃣", 3),
    "letter with an accent": ("e\u0301", 2),
    "letter with three marks": ("q\u0323\u0302\u0301", 4),
    "Korean syllable of three letters": ("\u1112\u1161\u11ab", 3),
    "Thai letter with a vowel": ("กำ", 2),
}


@pytest.mark.parametrize(("cluster", "size"), CLUSTERS.values(), ids=CLUSTERS)
def test_a_cluster_is_not_split_between_two_segments(cluster, size):
    assert segments_of(cluster).units == size
    exactly, one_short = "á" * (67 - size), "á" * (68 - size)
    assert segments_of(exactly + cluster + "á" * 67).count == 2
    assert segments_of(one_short + cluster + "á" * 66).count == (2 if size == 1 else 3)
    assert segments_of(one_short + cluster + "á" * (67 - size)).count == 2
    # Alone, a text of 70 units is one segment, wherever its clusters end.
    assert segments_of("á" * (70 - size) + cluster).count == 1
    assert segments_of("á" * (71 - size) + cluster).count == 2


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ("👨‍👩‍👧‍👦" * 6, 1),  # 66 units
        ("👨‍👩‍👧‍👦" * 7, 2),
        ("👨‍👩‍👧‍👦" * 12, 2),  # six fit into each segment: one unit of each is left over
        ("👨‍👩‍👧‍👦" * 13, 3),
        ("🇺🇸" * 17, 1),
        ("🇺🇸" * 18, 2),
        ("🇺🇸" * 32, 2),  # sixteen fit into each segment
        ("🇺🇸" * 33, 3),
        ("👍🏽" * 33, 3),
        ("e\u0301" * 35, 1),
        ("e\u0301" * 66, 2),  # 33 fit into each segment
        ("e\u0301" * 67, 3),
        ("á" * 66 + "\r\n" + "á" * 66, 2),  # a line break may be split
        ("e" + "\u0301" * 200, 3),  # 201 units in one cluster: no segment can hold it
        ("á" * 66 + "\ud83d" + "á" * 67, 2),  # half a surrogate pair is one unit
    ],
)
def test_a_text_of_clusters_takes_so_many_segments(body, count):
    assert segments_of(body).count == count


@pytest.mark.parametrize("edge", range(148, 154))
def test_an_escaped_character_at_any_place_before_the_edge_is_kept_whole(edge):
    body = "a" * edge + "€" + "a" * (306 - 2 - edge)
    assert (segments_of(body).units, segments_of(body).count) == (306, 3 if edge == 152 else 2)


def test_a_line_break_of_two_characters_leaves_a_text_gsm7():
    assert segments_of("a\r\nb") == segments_of("abcd")


def test_counting_takes_time_in_proportion_to_the_text():
    for body in ("e" + "\u0301" * 200_000, "🇺" * 200_000, "👨\u200d" * 100_000, "á🚗" * 100_000):
        started = time.process_time()
        segments_of(body)
        assert time.process_time() - started < 5


def test_one_typographic_quote_makes_the_whole_text_ucs2_and_is_named():
    assert segments_of("it\u2019s").encoding is UCS
    assert outside_gsm7("it\u2019s \u201cso\u2019") == "\u2019\u201c"
    assert outside_gsm7("plain") == ""


def largest_piece(body):
    sizes = [len(cluster.encode("utf-16-le", "surrogatepass")) // 2 for cluster in iter_graphemes(body)]
    return min(67, max(2, *sizes))


@given(st.text(st.sampled_from("aé€🚗🇺🇸👨👩\u200d\u0301\r\n\ufe0f🏽áก"), max_size=400))
def test_the_segments_hold_the_units_and_no_segment_is_needless(body):
    segments = segments_of(body)
    alone, joined = (160, 153) if segments.encoding is GSM else (70, 67)
    capacity = alone if segments.count == 1 else segments.count * joined
    assert segments.units <= capacity
    # Less than the largest piece is left unused in each segment but the last.
    assert (
        segments.count == 1 or segments.units > (segments.count - 1) * (joined - largest_piece(body) + 1) - 1
    )


@given(st.text(), st.text())
def test_a_longer_text_never_takes_fewer_segments(body, more):
    assert segments_of(body + more).count >= segments_of(body).count


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_ucs2_units_are_the_code_units_of_utf16(body):
    segments = segments_of(body + "ê")
    assert segments.units == len((body + "ê").encode("utf-16-le")) // 2
