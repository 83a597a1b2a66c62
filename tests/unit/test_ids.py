"""Ids: of one length, in the order of time, and of content always the same."""

from messages.clock import system_clock
from messages.ids import content_id, new_id, new_ids
from tests.servers import wait_until

CROCKFORD = frozenset("0123456789abcdefghjkmnpqrstvwxyz")


def test_an_id_is_a_prefix_and_26_digits():
    prefix, _, digits = new_id("msg").partition("_")
    assert prefix == "msg"
    assert len(digits) == 26
    assert CROCKFORD.issuperset(digits)


def test_ids_that_are_made_together_are_as_many_as_were_asked_for_and_all_different():
    assert len(set(new_ids("dlv", 500))) == 500
    assert new_ids("dlv", 0) == []


def test_ids_sort_by_age():
    earlier, now = new_ids("dlv", 20), system_clock()
    wait_until(lambda: system_clock() > now)
    assert max(earlier) < min(new_ids("dlv", 20))


def test_what_was_stored_under_the_id_of_its_content_is_found_again():
    assert content_id("lead", b"x") == "lead_1de4b45ds6p1202rkwn7xtrcqn"
