"""What every store promises of SMS in doubt, and of what their provider reports."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import pytest

from messages.delivery import Beginning, Channel
from messages.reconciliation import Absent, AskPolicy, CannotTell, Ended, Found, Listed, text_hash
from messages.retry import Expire, GiveUp, TryAgain
from messages.states import DeliveryState
from messages.store import Reported, Result
from messages.view import show

TO = "804-222-1111"
POLICY = AskPolicy(settle_ms=60_000, max_age_ms=86_400_000, max_pause_ms=3_600_000)
HELLO = text_hash("Hello")
SENT = DeliveryState.SENT


@pytest.fixture
def delivery(store):
    def get(accepted):
        return show(store.find([accepted.message_id]), 0, store.objects)[0]["deliveries"][0]

    return get


@pytest.fixture
def begin(store, accept, clock):
    """Accept an SMS, claim and begin it; gives the Message and the claim."""

    def one(text="Hello", to=TO, lease=120):
        accepted = accept(externalPhoneNumber=to, text=text)
        ids = [i for i, _ in accepted.waiting]
        lease_until = clock() + lease * 1000
        claim = store.claim(ids, Channel.SMS, now=clock(), lease_until=lease_until)[0].claim
        assert store.begin([Beginning(claim, text_hash(text))], clock()) == [True]
        return accepted, claim

    return one


@pytest.fixture
def lose(store, begin, clock):
    """Likewise, and nobody knows what came of it."""

    def one(**changes):
        accepted, claim = begin(**changes)
        result = Result(claim, DeliveryState.UNKNOWN, "ambiguous", error="No answer.", segments=1)
        assert store.record([result], clock()) == [True]
        return accepted, claim

    return one


def take(store, clock, limit=10):
    return store.take_unknown(clock(), POLICY, limit)


def listed(clock, sid="SM1", text=HELLO):
    return Listed(sid, text, clock() // 1000 * 1000)


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
    assert store.claim(ids, Channel.SMS, now=clock(), lease_until=clock() + 1)[0].claim.attempt == 2
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


# What Twilio took and could not deliver

FAILED_THERE = Ended(DeliveryState.FAILED, "Twilio took it, and could not send it (30002)", "30002")


@pytest.mark.parametrize(
    ("ended", "outcome", "is_sent"),
    [
        (FAILED_THERE, "permanent", False),
        (Ended(DeliveryState.UNDELIVERED, "The phone is off (30003)", "30003"), "sent", True),
    ],
)
def test_a_message_that_ended_badly_is_what_it_is_and_says_why(
    store, lose, clock, delivery, ended, outcome, is_sent
):
    accepted, _ = lose()
    found = replace(listed(clock), ended=ended)
    clock.pass_seconds(60)
    (asked,) = take(store, clock)
    assert store.settle(asked, [found], TryAgain(clock()), clock()) == Found("SM1", asked.since, ended)
    now = delivery(accepted)
    assert (now["status"], now["error"], now["providerId"]) == (ended.state, ended.reason, "SM1")
    assert (now["sentAt"] is not None) == is_sent
    attempt = now["attempts"][0]
    assert (attempt["outcome"], attempt["error"], attempt["code"]) == (outcome, ended.reason, ended.code)
    event = show(store.find([accepted.message_id]), 0, store.objects)[0]["events"][-1]
    assert (event["type"], event["detail"]) == (ended.state, ended.reason)
    assert take(store, clock) == []


@pytest.fixture
def redriven(store, lose, clock):
    """An SMS that failed at Twilio and was redriven; its claim of then, and its Message."""
    accepted, claim = lose()
    found = replace(listed(clock), ended=FAILED_THERE)
    clock.pass_seconds(60)
    store.settle(take(store, clock)[0], [found], TryAgain(clock()), clock())
    assert store.redrive([accepted.message_id], "ada", clock()).moved == list(accepted.waiting)
    return accepted, claim


def test_a_late_report_of_what_failed_there_does_not_stop_its_redrive(store, redriven, clock, delivery):
    accepted, claim = redriven
    assert report(store, claim, clock, "SM1") is Reported.NOTHING_NEW
    assert delivery(accepted)["status"] == "queued"
    assert report(store, claim, clock, "SM2") is Reported.MOVED
    assert (delivery(accepted)["status"], delivery(accepted)["providerId"]) == ("sent", "SM2")


def test_what_failed_there_is_taken_for_no_other_attempt_or_delivery(store, redriven, lose, clock, delivery):
    accepted, claim = redriven
    again = store.claim([claim.delivery_id], Channel.SMS, now=clock(), lease_until=clock() + 120_000)[0].claim
    store.begin([Beginning(again, HELLO)], clock())
    store.record([Result(again, DeliveryState.UNKNOWN, "ambiguous", error="No answer.")], clock())
    other, _ = lose()
    found = Listed("SM1", HELLO, (clock() - 60_000) // 1000 * 1000, FAILED_THERE)
    clock.pass_seconds(60)
    for asked in take(store, clock):
        assert store.settle(asked, [found], TryAgain(clock()), clock()) == Absent()
    assert [delivery(a)["status"] for a in (accepted, other)] == ["queued", "queued"]


# Reports


def report(store, claim, clock, sid="SM1"):
    return store.report(claim.delivery_id, sid, SENT, detail="Reported.", now=clock())


def test_a_report_settles_what_is_unknown_once(store, lose, clock, delivery):
    accepted, claim = lose()
    clock.pass_seconds(1)
    assert report(store, claim, clock) is Reported.MOVED
    assert report(store, claim, clock) is Reported.NOTHING_NEW
    shown = show(store.find([accepted.message_id]), 0, store.objects)[0]
    assert (shown["status"], shown["deliveries"][0]["providerId"]) == ("sent", "SM1")
    assert [e["type"] for e in shown["events"]].count("sent") == 1
    assert shown["events"][-1]["detail"] == "Reported."


def test_a_report_that_comes_before_the_answer_is_completed_by_it(store, begin, clock, delivery):
    accepted, claim = begin()
    assert report(store, claim, clock) is Reported.MOVED
    result = Result(claim, SENT, "sent", provider_id="SM1", segments=2, encoding="UCS-2")
    assert store.record([result], clock()) == [True]
    assert store.record([result], clock()) == [False]
    shown = show(store.find([accepted.message_id]), 0, store.objects)[0]
    assert (shown["status"], shown["deliveries"][0]["segments"]) == ("sent", 2)
    assert [e["type"] for e in shown["events"]].count("sent") == 1


def test_an_attempt_that_seems_lost_after_a_report_changes_nothing(store, begin, clock, delivery):
    accepted, claim = begin()
    report(store, claim, clock)
    lost = Result(claim, DeliveryState.UNKNOWN, "ambiguous", error="No answer.")
    assert store.record([lost], clock()) == [False]
    clock.pass_seconds(3600)
    store.sweep(clock(), {}, 0)
    assert delivery(accepted)["status"] == "sent"


def test_a_report_stops_a_retry_that_waits(store, lose, clock, delivery):
    accepted, claim = lose()
    clock.pass_seconds(60)
    store.settle(take(store, clock)[0], [], TryAgain(clock()), clock())
    assert report(store, claim, clock) is Reported.MOVED
    assert store.sweep(clock(), {}, 0) == []
    ids = [i for i, _ in accepted.waiting]
    assert store.claim(ids, Channel.SMS, now=clock(), lease_until=clock() + 1) == []


@pytest.mark.parametrize("state", [DeliveryState.FAILED, DeliveryState.SUPPRESSED])
def test_a_report_moves_nothing_backwards(store, begin, clock, delivery, state):
    accepted, claim = begin()
    store.record([Result(claim, state, "permanent", error="No.")], clock())
    assert report(store, claim, clock) is Reported.NOTHING_NEW
    assert delivery(accepted)["status"] == state


def test_a_report_of_another_message_changes_nothing(store, begin, lose, clock, delivery):
    accepted, claim = begin()
    store.record([Result(claim, SENT, "sent", provider_id="SM1", segments=1)], clock())
    assert report(store, claim, clock, "SM2") is Reported.NOT_ITS_OWN
    assert delivery(accepted)["providerId"] == "SM1"
    other, in_doubt = lose()
    assert report(store, in_doubt, clock, "SM1") is Reported.NOT_ITS_OWN
    assert delivery(other)["status"] == "unknown"


def test_a_report_of_what_nobody_knows_says_so(store, clock):
    found = store.report("dlv_nobody", "SM1", SENT, detail="", now=clock())
    assert found is Reported.NO_SUCH_DELIVERY


def test_many_reports_at_once_move_it_once(store, lose, clock):
    _, claim = lose()
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: report(store, claim, clock), range(20)))
    assert found.count(Reported.MOVED) == 1
    assert set(found) <= {Reported.MOVED, Reported.NOTHING_NEW}


# E-mail


@pytest.mark.parametrize(("hold", "state"), [(True, "unknown"), (False, "queued")])
def test_an_email_whose_worker_died_is_held_if_that_is_wanted(store, accept, clock, delivery, hold, state):
    accepted = accept(externalEmail="dana@example.com", text="Hello")
    ids = [i for i, _ in accepted.waiting]
    claim = store.claim(ids, Channel.EMAIL, now=clock(), lease_until=clock() + 1000)[0].claim
    store.begin([Beginning(claim)], clock())
    clock.pass_seconds(2)
    store.sweep(clock(), {}, 0, hold_email=hold)
    assert delivery(accepted)["status"] == state
    clock.pass_seconds(3600)
    assert take(store, clock) == []
