import pytest

from messages.durations import to_seconds


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("2h", 7200), (" 7d ", 604_800), ("3650d", 315_360_000)]
)
def test_a_duration_is_a_number_and_a_unit(text, seconds):
    assert to_seconds(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "2", "h", "-2h", "2 h", "2h30m", "0s", "1.5h", "2H", "٢h", "2h\n3h", "9" * 99]
)
def test_anything_else_is_none(text):
    with pytest.raises(ValueError, match="is not a duration; write it like 90s, 30m, 2h or 7d"):
        to_seconds(text)


def test_ten_years_are_the_longest():
    with pytest.raises(ValueError, match="'3651d' is longer than 3650d"):
        to_seconds("3651d")
