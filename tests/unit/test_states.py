from hypothesis import given
from hypothesis import strategies as st

from messages.states import (
    MESSAGE_STATUS_ORDER,
    TRANSITIONS,
    DeliveryState,
    may_move,
    message_status,
    sources_of,
)

ENDS = {
    DeliveryState.DELIVERED,
    DeliveryState.UNDELIVERED,
    DeliveryState.SUPPRESSED,
    DeliveryState.CANCELED,
}


def test_every_state_has_its_transitions_and_its_place_in_the_order():
    assert set(TRANSITIONS) == set(DeliveryState)
    assert sorted(MESSAGE_STATUS_ORDER) == sorted(DeliveryState)


def test_only_the_ends_lead_nowhere():
    assert {state for state, targets in TRANSITIONS.items() if not targets} == ENDS


def test_what_was_sent_never_waits_again():
    reachable, pending = set(), [DeliveryState.SENT]
    while pending:
        for state in TRANSITIONS[pending.pop()] - reachable:
            reachable.add(state)
            pending.append(state)
    assert reachable == {DeliveryState.DELIVERED, DeliveryState.UNDELIVERED, DeliveryState.SUPPRESSED}


@given(st.sampled_from(DeliveryState), st.sampled_from(DeliveryState))
def test_sources_are_the_transitions_read_backwards(before, after):
    assert may_move(before, after) == (before in sources_of(after))


@given(st.lists(st.sampled_from(DeliveryState), min_size=1))
def test_a_messages_status_is_that_of_one_of_its_deliveries_in_any_order(states):
    assert message_status(states) in states
    assert message_status(states) == message_status(reversed(states))


def test_a_message_is_sent_only_when_all_its_deliveries_are():
    sent, failed, queued = DeliveryState.SENT, DeliveryState.FAILED, DeliveryState.QUEUED
    assert message_status([sent, sent]) == sent
    assert message_status([sent, failed]) == failed
    assert message_status([sent, failed, queued]) == queued
