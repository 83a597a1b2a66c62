"""What every store promises of SMS in doubt: which are asked about, and what the answer makes of them."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from messages.delivery import Channel, Lease
from messages.reconciliation import Absent, CannotTell, Found
from messages.retry import Expire, GiveUp, TryAgain
from messages.store import Result
from messages.view import show
from tests.contract.in_doubt import HELLO, SENT, listed, take

# Asking


def test_it_is_asked_about_after_the_settle_time_and_then_ever_more_rarely(store, lose, clock):
    lose()
    found, begun = [], clock()
    for _ in range(3000):
        clock.pass_seconds(10)
        if take(store, clock):
            found.append((clock() - begun) // 1000)
    assert found[:6] == [60, 120, 240, 480, 960, 1920]
    assert {b - a for a, b in pairwise(found[7:])} == {3600}


def test_those_about_which_nobody_can_tell_keep_no_other_waiting(store, lose, clock):
    old = [lose(to=f"+1202555010{n}")[1].delivery_id for n in range(2)]
    clock.pass_seconds(3600)
    take(store, clock)  # once is too early to tell, and the pause ends later than all that is lost now
    new = [lose(to=f"+1202555020{n}")[1].delivery_id for n in range(2)]
    clock.pass_seconds(7200)
    asked = [unsettled.delivery_id for _ in range(2) for unsettled in take(store, clock, limit=2)]
    assert set(asked[:2]) == set(new)
    assert set(asked[2:]) == set(old)


def test_it_is_not_asked_about_any_more_when_it_is_too_old(store, lose, clock, delivery):
    accepted, _ = lose()
    clock.pass_seconds(86_401)
    assert take(store, clock) == []
    assert delivery(accepted)["status"] == "unknown"
    assert store.waiting_by_state()["unknown"] == 1


def test_each_is_given_to_one_of_many_that_ask_at_once(store, lose, clock):
    for n in range(30):
        lose(to=f"804-222-{1000 + n}")
    clock.pass_seconds(60)
    with ThreadPoolExecutor(8) as threads:
        taken = [
            u.delivery_id for found in threads.map(lambda _: take(store, clock), range(8)) for u in found
        ]
    assert len(taken) == len(set(taken)) == 30


def test_what_a_dead_worker_left_is_asked_about_with_the_text_it_handed_over(store, begin, clock):
    _, claim = begin()
    clock.pass_seconds(121)
    store.sweep(clock(), {}, 0)
    (asked,) = take(store, clock)
    assert (asked.delivery_id, asked.text_hash, asked.recipient) == (claim.delivery_id, HELLO, "+18042221111")


# Judging


def test_a_message_that_is_found_is_sent_and_says_how_that_is_known(store, lose, clock, delivery):
    accepted, _ = lose()
    at = listed(clock)
    clock.pass_seconds(60)
    (asked,) = take(store, clock)
    assert store.settle(asked, [at], TryAgain(clock()), clock()) == Found("SM1", asked.since)
    shown = show(store.find([accepted.message_id]), 0, store.objects)[0]
    assert (shown["status"], shown["sentAt"]) == ("sent", delivery(accepted)["attempts"][0]["finishedAt"])
    assert (delivery(accepted)["providerId"], delivery(accepted)["error"]) == ("SM1", None)
    assert delivery(accepted)["attempts"][0]["outcome"] == "sent"
    assert shown["events"][-1]["type"] == "sent"
    assert "asked" in shown["events"][-1]["detail"]
    assert take(store, clock) == []


def test_a_message_that_is_absent_is_queued_and_its_attempt_was_surely_not_sent(store, lose, clock, delivery):
    accepted, _ = lose()
    clock.pass_seconds(60)
    (asked,) = take(store, clock)
    assert store.settle(asked, [], TryAgain(clock() + 5000), clock()) == Absent()
    assert (delivery(accepted)["status"], delivery(accepted)["attempts"][0]["outcome"]) == (
        "queued",
        "retryable",
    )
    assert store.sweep(clock(), {}, 0) == []
    clock.pass_seconds(5)
    assert store.sweep(clock(), {}, 0) == list(accepted.waiting)
    ids = [i for i, _ in accepted.waiting]
    assert store.claim(ids, Channel.SMS, Lease(clock(), clock() + 1))[0].claim.attempt == 2
    assert "possibleDuplicate" not in delivery(accepted)["attempts"][1]


@pytest.mark.parametrize(
    ("again", "state"), [(GiveUp("Given up."), "failed"), (Expire("Too late."), "expired")]
)
def test_a_message_that_is_absent_but_not_to_be_sent_again_ends(store, lose, clock, delivery, again, state):
    accepted, _ = lose()
    clock.pass_seconds(60)
    store.settle(take(store, clock)[0], [], again, clock())
    assert (delivery(accepted)["status"], delivery(accepted)["error"]) == (state, again.reason)


def test_as_long_as_nobody_can_tell_it_stays_unknown_and_says_why(store, lose, clock, delivery):
    accepted, _ = lose()
    clock.pass_seconds(60)
    (asked,) = take(store, clock)
    store.settle(asked, CannotTell("Twilio is down."), TryAgain(clock()), clock())
    assert (delivery(accepted)["status"], delivery(accepted)["error"]) == ("unknown", "Twilio is down.")
    assert delivery(accepted)["attempts"][0]["error"] == "No answer."


def test_an_answer_that_comes_when_it_is_settled_already_changes_nothing(store, lose, clock, delivery):
    accepted, _ = lose()
    at = listed(clock)
    clock.pass_seconds(60)
    (asked,) = take(store, clock)
    store.settle(asked, [at], TryAgain(clock()), clock())
    store.settle(asked, [], TryAgain(clock()), clock())
    store.settle(asked, CannotTell("Late."), TryAgain(clock()), clock())
    assert (delivery(accepted)["status"], delivery(accepted)["error"]) == ("sent", None)


def test_what_another_delivery_has_for_its_own_does_not_count(store, begin, lose, clock, delivery):
    _, other = begin()
    store.record([Result(other, SENT, "sent", provider_id="SM1", segments=1)], clock())
    accepted, _ = lose()
    at = listed(clock)
    clock.pass_seconds(60)
    (asked,) = take(store, clock)
    assert store.settle(asked, [at], TryAgain(clock()), clock()) == Absent()
    assert delivery(accepted)["status"] == "queued"


def test_while_the_same_text_is_on_the_wire_nothing_is_decided(store, begin, lose, clock):
    lose()
    _, other = begin()
    at = listed(clock)
    clock.pass_seconds(60)
    (asked,) = take(store, clock)
    assert isinstance(store.settle(asked, [at], TryAgain(clock()), clock()), CannotTell)
    store.record([Result(other, SENT, "sent", provider_id="SM1", segments=1)], clock())
    assert store.settle(asked, [at], TryAgain(clock()), clock()) == Absent()


def test_of_equal_texts_that_are_settled_at_once_each_takes_another(store, lose, clock, delivery):
    accepted = [lose()[0] for _ in range(8)]
    found = [listed(clock, f"SM{n}") for n in range(5)]
    clock.pass_seconds(60)
    asked = take(store, clock)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda one: store.settle(one, found, TryAgain(clock()), clock()), asked))
    ids = [delivery(a)["providerId"] for a in accepted]
    assert sorted(i for i in ids if i) == [m.provider_id for m in found]
    assert sorted(delivery(a)["status"] for a in accepted) == ["queued"] * 3 + ["sent"] * 5
