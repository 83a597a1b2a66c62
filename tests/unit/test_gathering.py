"""Threads that share a transaction: who shares which, and who is told what."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from messages.errors import StoreUnavailable
from tasks.gathering import Gathering
from tests.servers import wait_until


class Transactions:
    """Upper-cases; the first waits until it is told to go on. Remembers what came together."""

    def __init__(self) -> None:
        self.goes_on, self.groups = threading.Event(), []

    def __call__(self, entries: Sequence[str]) -> list[str]:
        self.groups.append(list(entries))
        self.goes_on.wait(5)
        if "away" in entries:
            raise StoreUnavailable("away")
        if "bug" in entries:
            raise KeyError("bug")
        return [entry.upper() for entry in entries]


def submit_all(entries: str, most: int = 10) -> tuple[Transactions, list[object]]:
    """Submit the first word, and while its transaction is under way, the others, in order."""
    make, gathering = Transactions(), Gathering[str, str](most)
    words = entries.split()

    def submit(word: str) -> object:
        try:
            return gathering.submit(word, make)
        except (StoreUnavailable, KeyError) as error:
            return error

    with ThreadPoolExecutor(len(words)) as threads:
        futures = [threads.submit(submit, words[0])]
        wait_until(lambda: make.groups)
        for count, word in enumerate(words[1:], 1):
            futures.append(threads.submit(submit, word))
            wait_until(lambda count=count: len(gathering._waiting) == count)
        make.goes_on.set()
        return make, [future.result(10) for future in futures]


def test_what_comes_during_a_transaction_shares_the_next_and_each_gets_its_own_output():
    make, results = submit_all("a b c d")
    assert make.groups == [["a"], ["b", "c", "d"]]
    assert results == ["A", "B", "C", "D"]


def test_no_more_share_one_than_may():
    make, results = submit_all("a b c d", most=2)
    assert make.groups == [["a"], ["b", "c"], ["d"]]
    assert results == ["A", "B", "C", "D"]


def test_one_that_fails_by_a_bug_spoils_no_other():
    make, results = submit_all("a b bug d")
    assert [str(result) for result in results] == ["A", "B", "'bug'", "D"]
    assert make.groups[2:] == [["b"], ["bug"], ["d"]]


def test_when_the_store_is_away_all_are_told_and_nothing_is_tried_again():
    make, results = submit_all("a b away")
    assert make.groups == [["a"], ["b", "away"]]
    assert [type(result) for result in results] == [str, StoreUnavailable, StoreUnavailable]


def test_after_a_failure_the_next_is_served():
    gathering = Gathering[str, str](10)
    make = Transactions()
    make.goes_on.set()
    with pytest.raises(StoreUnavailable):
        gathering.submit("away", make)
    assert gathering.submit("a", make) == "A"
