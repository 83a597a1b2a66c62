import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages.circuit import LONGEST_PAUSE_MS, PAUSE_MS, THRESHOLD, Circuit
from messages.outcomes import Failed, FailureKind, Sent

DOWN = Failed(FailureKind.RETRYABLE, "The server cannot be reached.", provider_trouble=True)
REFUSED = Failed(FailureKind.PERMANENT, "No such mailbox (550).")
WORKED = Sent("id")


def opened() -> Circuit:
    circuit = Circuit()
    for _ in range(THRESHOLD):
        circuit.report(DOWN, 0)
    return circuit


def test_several_troubles_in_a_row_open_it_and_say_why():
    circuit = Circuit()
    changes = [circuit.report(DOWN, 0) for _ in range(THRESHOLD + 3)]
    assert [change is not None for change in changes] == [False] * (THRESHOLD - 1) + [True] + [False] * 3
    assert changes[THRESHOLD - 1].reason == DOWN.reason
    assert circuit.open_until(0) == PAUSE_MS


@pytest.mark.parametrize("outcome", [WORKED, REFUSED])
def test_an_answer_of_any_kind_closes_it(outcome):
    circuit = opened()
    assert circuit.report(outcome, PAUSE_MS).open_until is None
    assert circuit.open_until(PAUSE_MS) is None
    assert circuit.report(DOWN, PAUSE_MS) is None


def test_after_the_pause_one_more_trouble_opens_it_for_twice_as_long():
    circuit = opened()
    assert circuit.open_until(PAUSE_MS) is None
    assert circuit.report(DOWN, PAUSE_MS).open_until == PAUSE_MS + 2 * PAUSE_MS


def test_a_refused_recipient_opens_nothing():
    circuit = Circuit()
    assert all(circuit.report(REFUSED, 0) is None for _ in range(50))


@given(st.lists(st.sampled_from([DOWN, WORKED, REFUSED])))
def test_no_pause_is_longer_than_the_longest(outcomes):
    circuit, now = Circuit(), 0
    for outcome in outcomes:
        change = circuit.report(outcome, now)
        if change and change.open_until:
            assert PAUSE_MS <= change.open_until - now <= LONGEST_PAUSE_MS
            now = change.open_until
