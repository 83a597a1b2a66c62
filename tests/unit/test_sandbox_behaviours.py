"""The table of addresses that misbehave on purpose."""

import pytest

from messages.delivery import Channel
from messages.phone import to_e164
from worker.sandbox.behaviours import BEHAVIOURS, Act, Role, Tries, behaviour_of


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda b: f"{b.role}-{b.address}")
def test_every_listed_address_is_found_by_its_own_entry(behaviour):
    assert behaviour_of(behaviour.channel, behaviour.address, behaviour.role) is behaviour


@pytest.mark.parametrize(
    "behaviour", [b for b in BEHAVIOURS if b.channel is Channel.SMS], ids=lambda b: b.address
)
def test_every_listed_number_can_be_given_as_a_message_s_phone_number(behaviour):
    assert to_e164(behaviour.address) == behaviour.address


def test_an_e_mail_address_is_found_whatever_its_case():
    behaviour = behaviour_of(Channel.EMAIL, "Refused@Sandbox.TEST")
    assert behaviour is not None
    assert behaviour.act is Act.REFUSE


@pytest.mark.parametrize(
    ("channel", "address"), [(Channel.EMAIL, "refused@example.com"), (Channel.SMS, "+18042221111")]
)
def test_any_other_address_behaves(channel, address):
    assert behaviour_of(channel, address) is None


def test_a_number_that_misbehaves_as_recipient_may_behave_as_sender():
    assert behaviour_of(Channel.SMS, "+15005550004", Role.TO)
    assert behaviour_of(Channel.SMS, "+15005550004", Role.FROM) is None


def test_each_message_is_refused_twice_and_then_accepted():
    tries = Tries()
    assert [tries.is_refused("a") for _ in range(3)] == [True, True, False]
    assert [tries.is_refused(m) for m in ("b", "c", "b", "c", "b", "c")] == [True] * 4 + [False] * 2


def test_the_tries_of_the_oldest_message_are_forgotten_when_there_are_too_many():
    tries = Tries(remember=2)
    for message in ("a", "a", "b", "c"):
        assert tries.is_refused(message)
    assert tries.is_refused("a")
