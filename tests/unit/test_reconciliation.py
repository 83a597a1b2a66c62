"""What became of an SMS in doubt: by table, and as a game that may neither lose one nor send one twice."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages.reconciliation import (
    AFTER_MS,
    BEFORE_MS,
    Absent,
    CannotTell,
    Found,
    Listed,
    Rivals,
    Unsettled,
    judge,
    text_hash,
)
from messages.retry import Tries

SINCE = 1_700_000_000_500
MINE, OTHER = text_hash("Hello"), text_hash("Goodbye")
ASKED = Unsettled("dlv_1", "+18042221111", 1, Tries(1, SINCE), SINCE, MINE)
ALONE = Rivals(unknown=0, under_way=0)


def listed(sid="SM1", text=MINE, after=0):
    return Listed(sid, text, None if after is None else SINCE // 1000 * 1000 + after)


@pytest.mark.parametrize(
    ("messages", "taken", "rivals", "expected"),
    [
        ([], (), ALONE, Absent),
        ([listed()], (), ALONE, Found),
        ([listed(after=None)], (), ALONE, Found),
        ([listed(after=-BEFORE_MS + 1000)], (), ALONE, Found),
        ([listed(after=AFTER_MS)], (), ALONE, Found),
        # Others are in the list as well.
        ([listed()], ("SM1",), ALONE, Absent),
        ([listed(after=-BEFORE_MS - 1000)], (), ALONE, Absent),
        ([listed(), listed("SM2")], ("SM1",), ALONE, Found),
        ([listed(), listed("SM2", OTHER)], (), ALONE, Found),
        ([listed("SM2", OTHER, AFTER_MS + 1000)], (), ALONE, Absent),
        # What may be it, but also something else.
        ([listed(), listed("SM2")], (), ALONE, CannotTell),
        ([listed("SM2", OTHER)], (), ALONE, CannotTell),
        ([listed("SM2", OTHER, None)], (), ALONE, CannotTell),
        ([listed(after=AFTER_MS + 1000)], (), ALONE, CannotTell),
        # Several with the same text.
        ([listed()], (), Rivals(unknown=0, under_way=1), CannotTell),
        ([], (), Rivals(unknown=0, under_way=1), Absent),
        ([listed()], (), Rivals(unknown=1, under_way=0), Found),
        ([listed(), listed("SM2")], (), Rivals(unknown=1, under_way=0), Found),
        ([listed(), listed("SM2"), listed("SM3")], (), Rivals(unknown=1, under_way=0), CannotTell),
    ],
)
def test_what_is_listed_decides(messages, taken, rivals, expected):
    assert isinstance(judge(ASKED, messages, taken=taken, rivals=rivals), expected)


def test_it_takes_the_oldest_and_its_time_but_none_before_the_attempt():
    newer, older = listed("SM1", after=2000), listed("SM2", after=1000)
    found = judge(ASKED, [newer, older], taken=(), rivals=Rivals(unknown=1, under_way=0))
    assert found == Found("SM2", SINCE + 500)
    assert judge(ASKED, [listed()], taken=(), rivals=ALONE) == Found("SM1", SINCE)


def test_a_text_that_is_not_known_is_absent_only_beside_nothing():
    unknown = replace(ASKED, text_hash=None)
    assert isinstance(judge(unknown, [listed()], taken=(), rivals=ALONE), CannotTell)
    assert isinstance(judge(unknown, [], taken=(), rivals=ALONE), Absent)


def test_texts_that_differ_in_white_space_only_are_the_same():
    assert text_hash("Hello \r\nDana\n") == text_hash("Hello Dana") != text_hash("HelloDana")


@given(sent=st.lists(st.booleans(), min_size=1, max_size=8), seed=st.integers())
def test_of_equal_texts_in_doubt_exactly_those_are_sent_again_that_were_not_sent(sent, seed):
    messages = [listed(f"SM{n}") for n, was_sent in enumerate(sent) if was_sent]
    open_, taken, again = list(range(len(sent))), set(), 0
    random.Random(seed).shuffle(open_)
    while open_:
        open_.pop()
        match judge(ASKED, messages, taken=taken, rivals=Rivals(unknown=len(open_), under_way=0)):
            case Found(sid):
                assert sid not in taken
                taken.add(sid)
            case Absent():
                again += 1
    assert again == sent.count(False)
    assert len(taken) == sent.count(True)
