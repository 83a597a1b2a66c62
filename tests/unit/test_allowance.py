"""How many connections a server seems to allow us."""

from worker.channels.allowance import LONGEST_PAUSE, Allowance


def shrunk(allowance: Allowance, times: int, now: float = 0) -> list[bool]:
    return [allowance.shrink(now) for _ in range(times)]


def pauses(allowance: Allowance, count: int, *, held: bool, now: float = 0) -> list[float]:
    """After how many seconds each of `count` more is tried, to the quarter of a second."""
    found, since = [], now
    while len(found) < count:
        now += 0.25
        if allowance.grow(now):
            found.append(now - since)
            since = now
            if not held:
                allowance.shrink(now)
    return found


def test_it_shrinks_by_each_that_was_turned_away_and_never_below_one():
    allowance = Allowance(4, pause=5)
    assert not allowance.is_short
    assert shrunk(allowance, 5) == [True, True, True, False, False]
    assert (allowance.size, allowance.is_short) == (1, True)


def test_it_never_grows_beyond_what_we_would_have():
    allowance = Allowance(3, pause=5)
    assert not allowance.grow(1_000)
    shrunk(allowance, 1)
    assert [allowance.grow(1_000), allowance.grow(2_000)] == [True, False]
    assert (allowance.size, allowance.is_short) == (3, False)


def test_one_more_is_tried_only_after_a_pause_in_which_none_was_turned_away():
    allowance = Allowance(3, pause=5)
    shrunk(allowance, 2, now=0)
    assert not allowance.grow(4.9)
    allowance.shrink(4.9)
    assert not allowance.grow(9.8)
    assert allowance.grow(9.9)
    assert not allowance.grow(10)


def test_what_holds_is_soon_followed_by_more_down_to_half_a_second():
    allowance = Allowance(10, pause=4)
    shrunk(allowance, 9)
    assert pauses(allowance, 6, held=True) == [4, 4, 2, 1, 0.5, 0.5]


def test_what_is_turned_away_again_is_tried_less_and_less_often_up_to_five_minutes():
    allowance = Allowance(10, pause=4)
    shrunk(allowance, 7)
    assert pauses(allowance, 8, held=False) == [4, 8, 16, 32, 64, 128, 256, LONGEST_PAUSE]
    assert allowance.size == 3
