"""Redrive and cancel on every store: who wins a race, who is named, and what is never moved."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from messages.by_hand import Action, message_of
from messages.delivery import Beginning, Channel
from messages.errors import MessageNotFound, NothingToDo
from messages.states import DeliveryState
from messages.store import Accepted, ByHand, Reported, Result, Store
from tests.conftest import Ticking
from tests.stored import BOTH, claim, shown, states

SMS = {"externalPhoneNumber": "804-222-1111", "text": "Hello"}


@pytest.fixture
def end_as(store: Store, clock: Ticking) -> Callable[..., None]:
    """Have an attempt of this Message's Delivery made, which ends in this state."""

    def end(accepted: Accepted, state: DeliveryState, channel: Channel = Channel.SMS) -> None:
        claimed = claim(store, accepted, channel, clock)[0]
        reason = None if state is DeliveryState.SENT else "No (21211)."
        assert store.record([Result(claimed.claim, state, "permanent", error=reason)], clock()) == [True]

    return end


# Redrive


@pytest.mark.parametrize("state", [DeliveryState.FAILED, DeliveryState.EXPIRED])
def test_a_dead_letter_is_redriven_once_and_says_by_whom_and_when(store, accept, clock, end_as, state):
    accepted = accept(**SMS)
    end_as(accepted, state)
    clock.pass_seconds(5)
    done = store.redrive([accepted.message_id], "ada", clock())
    assert done.moved == list(accepted.waiting)
    assert message_of(Action.REDRIVE, accepted.message_id, done).status == "queued"
    message = shown(store, accepted.message_id)
    assert message["status"] == "queued"
    assert message["deliveries"][0]["error"] is None
    assert message["events"][-1] == {
        "at": "2023-11-14T22:13:25.000Z",
        "type": "queued",
        "deliveryId": accepted.waiting[0][0],
        "detail": "redriven by ada",
    }
    again = store.redrive([accepted.message_id], "ada", clock())
    assert again.moved == []
    with pytest.raises(NothingToDo, match="its sms is queued; only what failed or expired"):
        message_of(Action.REDRIVE, accepted.message_id, again)


def test_of_many_who_redrive_at_once_one_does(store, accept, clock, end_as):
    accepted = accept(**SMS)
    end_as(accepted, DeliveryState.FAILED)
    with ThreadPoolExecutor(8) as threads:
        done = list(threads.map(lambda n: store.redrive([accepted.message_id], f"u{n}", clock()), range(16)))
    assert sum(len(d.moved) for d in done) == 1
    details = [e.get("detail") or "" for e in shown(store, accepted.message_id)["events"]]
    assert sum(detail.startswith("redriven by") for detail in details) == 1


def test_a_redriven_delivery_goes_on_counting_its_attempts_but_is_young_again(store, accept, clock, end_as):
    accepted = accept(**SMS)
    end_as(accepted, DeliveryState.FAILED)
    clock.pass_seconds(100_000)
    store.redrive([accepted.message_id], "ada", clock())
    clock.pass_seconds(10)
    claimed = claim(store, accepted, Channel.SMS, clock)[0].claim
    assert claimed.attempt == 2
    assert (claimed.tries.count, claimed.tries.first_at) == (1, clock())


def test_a_redrive_takes_up_only_what_is_dead(store, accept, clock, end_as):
    accepted = accept(**BOTH)
    end_as(accepted, DeliveryState.SENT, Channel.EMAIL)
    end_as(accepted, DeliveryState.FAILED)
    assert [channel for _, channel in store.redrive([accepted.message_id], "ada", clock()).moved] == ["sms"]
    assert states(store, accepted.message_id) == {"sms": "queued", "email": "sent"}


def test_what_failed_since_a_time_is_redriven_and_nothing_else(store, accept, clock, end_as):
    old, new, expired, waiting = (accept(**SMS) for _ in range(4))
    end_as(old, DeliveryState.FAILED)
    clock.pass_seconds(60)
    since = clock()
    end_as(new, DeliveryState.FAILED)
    end_as(expired, DeliveryState.EXPIRED)
    clock.pass_seconds(60)
    assert store.redrive_failed(since, clock(), "ada", clock()) == list(new.waiting)
    assert store.redrive_failed(since, clock(), "ada", clock()) == []
    found = [shown(store, a.message_id)["status"] for a in (old, new, expired, waiting)]
    assert found == ["failed", "queued", "expired", "queued"]
    assert shown(store, new.message_id)["events"][-1]["detail"] == "redriven by ada"


def test_what_fails_again_while_many_are_redriven_is_not_redriven_again(store, accept, clock, end_as):
    accepted = accept(**SMS)
    end_as(accepted, DeliveryState.FAILED)
    until = clock()
    assert store.redrive_failed(0, until, "ada", clock()) == list(accepted.waiting)
    clock.pass_seconds(1)
    end_as(accepted, DeliveryState.FAILED)
    assert store.redrive_failed(0, until, "ada", clock()) == []


# What is unknown


@pytest.fixture
def lose(store: Store, accept: Callable[..., Accepted], clock: Ticking) -> Callable[..., Accepted]:
    """Accept a Message to one recipient, of which it is then not known whether it was sent."""

    def lose_one(channel: Channel, **fields: str) -> Accepted:
        to = {"externalEmail": "dana@example.com", "text": "Hello"} if channel is Channel.EMAIL else SMS
        accepted = accept(**to, **fields)
        lose_again(store, accepted, clock)
        return accepted

    return lose_one


def lose_again(store: Store, accepted: Accepted, clock: Ticking) -> None:
    [(_, channel)] = accepted.waiting
    claimed = claim(store, accepted, channel, clock)[0].claim
    assert store.begin([Beginning(claimed, "hash")], clock()) == [True]
    lost = Result(claimed, DeliveryState.UNKNOWN, "ambiguous", error="No answer.")
    assert store.record([lost], clock()) == [True]


@pytest.mark.parametrize("channel", Channel)
def test_what_is_unknown_is_redriven_only_where_that_is_asked_for(store, lose, clock, channel):
    accepted = lose(channel)
    done = store.redrive([accepted.message_id], "ada", clock())
    assert done.moved == []
    with pytest.raises(NothingToDo, match=r"is unknown; .* only where that is asked for .*: it may then arr"):
        message_of(Action.REDRIVE, accepted.message_id, done)
    done = store.redrive([accepted.message_id], "ada", clock(), even_unknown=True)
    assert done.moved == list(accepted.waiting)
    event = shown(store, accepted.message_id)["events"][-1]
    assert (event["type"], event["at"]) == ("queued", "2023-11-14T22:13:20.000Z")
    assert event["detail"] == "redriven by ada, although it may have been sent"


@pytest.mark.parametrize("channel", Channel)
def test_the_attempt_after_that_is_marked_and_may_itself_become_unknown(store, lose, clock, channel):
    accepted = lose(channel)
    store.redrive([accepted.message_id], "ada", clock(), even_unknown=True)
    lose_again(store, accepted, clock)
    [delivery] = shown(store, accepted.message_id)["deliveries"]
    assert delivery["status"] == "unknown"
    assert [a.get("possibleDuplicate", False) for a in delivery["attempts"]] == [False, True]
    assert len(store.redrive([accepted.message_id], "ada", clock(), even_unknown=True).moved) == 1


def test_many_failed_letters_that_are_redriven_leave_what_is_unknown(store, lose, clock):
    accepted = lose(Channel.SMS)
    assert store.redrive_failed(0, clock(), "ada", clock()) == []
    assert shown(store, accepted.message_id)["status"] == "unknown"


def test_with_what_is_unknown_the_dead_letters_are_redriven_too(store, accept, clock, end_as, lose):
    failed, unknown = accept(**SMS), lose(Channel.EMAIL)
    end_as(failed, DeliveryState.FAILED)
    ids = [failed.message_id, unknown.message_id]
    assert len(store.redrive(ids, "ada", clock(), even_unknown=True).moved) == 2
    details = [shown(store, i)["events"][-1]["detail"] for i in ids]
    assert details == ["redriven by ada", "redriven by ada, although it may have been sent"]


def test_what_is_settled_while_somebody_redrives_it_is_moved_by_one_of_the_two(store, lose, clock):
    lost = [lose(Channel.SMS) for _ in range(20)]

    def report(a: Accepted) -> Reported:
        [(delivery_id, _)] = a.waiting
        return store.report(delivery_id, f"SM{a.message_id}", DeliveryState.SENT, detail="", now=clock())

    def redrive(a: Accepted) -> ByHand:
        return store.redrive([a.message_id], "ada", clock(), even_unknown=True)

    with ThreadPoolExecutor(8) as threads:
        tries = [(threads.submit(redrive, a), threads.submit(report, a)) for a in lost]
    for a, (redriven, reported) in zip(lost, tries, strict=True):
        # A report comes true also after the redrive, as long as nobody has begun to send it again.
        assert reported.result() is Reported.MOVED
        assert shown(store, a.message_id)["status"] == "sent"
        assert len(redriven.result().moved) <= 1
        assert claim(store, a, Channel.SMS, clock) == []


def test_an_expiry_that_lies_ahead_is_kept_when_what_is_unknown_is_redriven(store, lose, clock):
    accepted = lose(Channel.EMAIL, expiresAt="2023-11-15T00:00:00Z")
    store.redrive([accepted.message_id], "ada", clock(), even_unknown=True)
    [delivery] = shown(store, accepted.message_id)["deliveries"]
    assert delivery["expiresAt"] == "2023-11-15T00:00:00.000Z"


# Cancel


@pytest.mark.parametrize("send_at", [None, "2023-11-15T00:00:00Z"])
def test_what_waits_is_canceled_for_good_and_says_by_whom(store, accept, clock, send_at):
    accepted = accept(**BOTH, sendAt=send_at)
    done = store.cancel([accepted.message_id], "API key 1f2e3d4c", clock())
    assert len(done.moved) == 2
    assert message_of(Action.CANCEL, accepted.message_id, done).status == "canceled"
    message = shown(store, accepted.message_id)
    assert message["status"] == "canceled"
    assert [e["detail"] for e in message["events"][-2:]] == ["canceled by API key 1f2e3d4c"] * 2
    clock.pass_seconds(10_000)
    assert store.sweep(clock(), dict.fromkeys(Channel, clock()), 0) == []
    assert claim(store, accepted, Channel.SMS, clock) == []
    assert store.redrive([accepted.message_id], "ada", clock()).moved == []


def test_a_retry_that_waits_can_be_canceled(store, accept, clock):
    accepted = accept(**SMS)
    claimed = claim(store, accepted, Channel.SMS, clock)[0]
    later = Result(
        claimed.claim, DeliveryState.QUEUED, "retryable", "Busy.", next_attempt_at=clock() + 30_000
    )
    store.record([later], clock())
    store.cancel([accepted.message_id], "ada", clock())
    delivery = shown(store, accepted.message_id)["deliveries"][0]
    assert (delivery["status"], delivery["nextAttemptAt"]) == ("canceled", None)


def test_what_is_being_sent_cannot_be_canceled_but_the_rest_of_its_message_can(store, accept, clock):
    accepted = accept(**BOTH)
    claimed = claim(store, accepted, Channel.SMS, clock)[0]
    done = store.cancel([accepted.message_id], "ada", clock())
    assert message_of(Action.CANCEL, accepted.message_id, done).status == "sending"
    assert states(store, accepted.message_id) == {"sms": "sending", "email": "canceled"}
    again = store.cancel([accepted.message_id], "ada", clock())
    with pytest.raises(NothingToDo, match="its sms is being sent and its email is canceled; only what is"):
        message_of(Action.CANCEL, accepted.message_id, again)
    assert store.record([Result(claimed.claim, DeliveryState.SENT, "sent")], clock()) == [True]


def test_of_a_cancel_and_a_claim_at_once_exactly_one_wins(store, accept, clock):
    accepted = [accept(**SMS) for _ in range(40)]

    def try_claim(a: Accepted) -> bool:
        return bool(claim(store, a, Channel.SMS, clock))

    def try_cancel(a: Accepted) -> bool:
        return bool(store.cancel([a.message_id], "ada", clock()).moved)

    with ThreadPoolExecutor(8) as threads:
        tries = [(threads.submit(try_claim, a), threads.submit(try_cancel, a)) for a in accepted]
    for a, (claimed, canceled) in zip(accepted, tries, strict=True):
        assert claimed.result() != canceled.result()
        expected = "sending" if claimed.result() else "canceled"
        assert shown(store, a.message_id)["status"] == expected


@pytest.mark.parametrize("action", Action)
def test_an_unknown_message_is_said_to_be_unknown(store, clock, action):
    done = getattr(store, action)(["msg_nobody"], "ada", clock())
    with pytest.raises(MessageNotFound):
        message_of(action, "msg_nobody", done)
