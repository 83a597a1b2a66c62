import heapq
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages.pace import PATIENCE, SECOND, Answer, Demand, Line, ask


class Sender:
    """A sender with a backlog, by a clock of its own: whoever has a place comes again, `late` as it says."""

    def __init__(self, per_second: float, late=lambda: 0.0) -> None:
        self.line, self._rate, self._late = Line(), per_second, late
        self._coming: list[tuple[int, int, int, bool]] = []
        self._names = count()
        self.went: list[tuple[int, int, int]] = []  # (µs, name, amount)
        self.asked: list[int] = []

    def add(self, at: float, amount: int = 1) -> None:
        heapq.heappush(self._coming, (int(at * SECOND), next(self._names), amount, False))

    def run(self, asleep: tuple[float, float] = (0, 0)) -> None:
        """Until all went; nobody can ask while it is asleep, from … to."""
        start, end = (int(at * SECOND) for at in asleep)
        while self._coming:
            at, name, amount, placed = heapq.heappop(self._coming)
            if start <= at < end:
                heapq.heappush(self._coming, (end, name, amount, placed))
                continue
            self.asked.append(at)
            cost = Demand("+1", self._rate, amount).cost
            self.line, answer = ask(self.line, cost, at, placed=placed)
            if answer.go:
                assert answer.wait <= PATIENCE
                self.went.append((at + answer.wait, name, amount))
            else:
                back = at + answer.wait + int(self._late() * SECOND)
                heapq.heappush(self._coming, (back, name, amount, True))


def never_over(sender: Sender, rate: float) -> bool:
    """Between any two hand-overs lies the time that all from the first on, without the last, cost."""
    went = sorted(sender.went)
    due = 0.0
    for at, _, amount in went:
        if at < due - 1:
            return False
        due = max(due, at) + amount * SECOND / rate
    return True


def test_who_comes_alone_goes_at_once():
    assert ask(Line(), SECOND, 5_000, placed=False)[1] == Answer(True, 0)


def test_a_burst_is_spread_evenly_in_the_order_it_came():
    sender = Sender(5)
    for _ in range(50):
        sender.add(1)
    sender.run()
    assert sorted(sender.went) == [(SECOND + n * 200_000, n, 1) for n in range(50)]


def test_what_has_several_segments_takes_as_many_turns():
    sender = Sender(1)
    for amount in (3, 1, 2):
        sender.add(0, amount)
    sender.run()
    assert [at // SECOND for at, _, _ in sorted(sender.went)] == [0, 3, 4]


def test_who_comes_while_others_wait_comes_after_them():
    sender = Sender(1)
    for _ in range(10):
        sender.add(0)
    sender.add(4.5)
    sender.run()
    assert max(sender.went)[1] == 10


@given(
    arrivals=st.lists(st.tuples(st.floats(0, 60), st.integers(1, 10)), min_size=1, max_size=60),
    rate=st.sampled_from([0.3, 1, 3, 100]),
    late=st.lists(st.floats(0, 30), min_size=1, max_size=20),
)
def test_however_late_they_come_the_rate_is_not_exceeded_over_any_window_and_all_go(arrivals, rate, late):
    turn = count()
    sender = Sender(rate, lambda: late[next(turn) % len(late)])
    for at, amount in arrivals:
        sender.add(at, amount)
    sender.run()
    assert never_over(sender, rate)
    assert len(sender.went) == len(arrivals)


def test_as_late_as_sweeps_come_the_rate_is_used_in_full():
    turn = count()
    sender = Sender(1, lambda: next(turn) * 0.7 % 1.4)
    for _ in range(500):
        sender.add(0)
    sender.run()
    assert max(sender.went)[0] <= 502 * SECOND
    assert len(sender.asked) <= 1100  # twice each, and a few that came too late


def test_after_an_outage_those_who_are_late_neither_come_all_at_once_nor_wait_for_everybody():
    sender = Sender(1)
    for _ in range(2000):
        sender.add(0)
    sender.run(asleep=(100, 700))
    assert never_over(sender, 1)
    assert max(sender.went)[0] <= 2610 * SECOND
    busiest = max(
        sum(second * SECOND < at <= (second + 1) * SECOND for at in sender.asked)
        for second in range(800, 900)
    )
    assert busiest <= 4
    first_late = min(at for at, name, _ in sender.went if name == 100)
    assert first_late <= 1400 * SECOND


@pytest.mark.parametrize("rate", [1, 3, 7.5])
def test_a_cost_is_never_rounded_down(rate):
    assert Demand("+1", rate, 3).cost >= 3 * SECOND / rate
