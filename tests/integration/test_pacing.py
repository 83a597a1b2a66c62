"""Senders with a rate: what a task does with what may go, and with what has to wait."""

import asyncio
from dataclasses import replace

import pytest
import redis

from intake.metrics import exposition
from messages.circuit import THRESHOLD
from messages.delivery import Channel
from messages.outcomes import Failed, FailureKind
from messages.pace import PATIENCE, Answer, Demand
from messages.sms_rates import SmsRates
from messages.view import show
from tasks.pacing import Passage
from tasks.send import send
from tasks.sweep import sweep
from worker.shared_lines import SharedLines
from worker.shared_pace import SharedPace

LIMITED, OTHER = "+15005550006", "+18045550100"


@pytest.fixture
def paced(parts, clock, outside):
    """With a rate of one segment in ten seconds for LIMITED, and one e-mail in ten; by the test's clock."""
    # Without a broker the lines are by this process's own clock, and all of the rate is its share.
    lines = SharedLines("redis://127.0.0.1:1/0")
    own = {"default_sender": LIMITED, "processes": 1, "clock": lambda: clock() * 1000}
    pace = SharedPace(lines, SmsRates({LIMITED: 0.1}), 0.1, **own)
    yield replace(parts, pace=pace)
    outside.run(pace.close(), 5)


def take(parts, *messages):
    accepted = parts.acceptor.accept([parts.acceptor.draft(m) for m in messages])
    return [delivery_id for one in accepted for delivery_id, _ in one.waiting], [
        a.message_id for a in accepted
    ]


def sms(sender, number):
    return {
        "internalPhoneNumber": sender,
        "externalPhoneNumber": f"80422200{number:02}",
        "text": f"Hi {number}",
    }


def shown(parts, message_ids):
    return [m["deliveries"][0] for m in show(parts.store.find(message_ids), 0, parts.store.objects)]


def test_what_must_wait_goes_back_without_an_attempt_and_nobody_else_is_held_up(paced, twilio, clock):
    mixed = [sms(LIMITED if n % 2 else OTHER, n) for n in range(10)]
    ids, message_ids = take(paced, *mixed)
    send(paced, Channel.SMS, ids)
    assert sorted(f["Body"][0][-1] for f in twilio.created) == ["0", "1", "2", "4", "6", "8"]
    waiting = [d for d in shown(paced, message_ids) if d["status"] == "queued"]
    assert [d["attempts"] for d in waiting] == [[]] * 4
    assert len({d["nextAttemptAt"] for d in waiting}) == 4
    text = exposition(dict, dict, paced.store.waiting_for_rates).decode()
    assert 'roundsman_waiting_for_rate{channel="sms"} 4.0' in text
    assert sweep(paced) == 0


def test_each_goes_when_its_place_has_come_in_the_order_they_came(paced, twilio, clock):
    ids, message_ids = take(paced, *[sms(LIMITED, n) for n in range(4)])
    send(paced, Channel.SMS, ids)
    for number in (1, 2, 3):
        assert len(twilio.created) == number
        clock.pass_seconds(10)
        assert sweep(paced) == 1
        send(paced, Channel.SMS, ids)
    assert [f["Body"] for f in twilio.created] == [[f"Hi {n}"] for n in range(4)]
    assert [len(d["attempts"]) for d in shown(paced, message_ids)] == [1] * 4
    assert paced.store.waiting_for_rates() == {}


def test_who_asks_later_comes_after_those_who_wait(paced, twilio, clock):
    send(paced, Channel.SMS, take(paced, *[sms(LIMITED, n) for n in range(3)])[0])
    clock.pass_seconds(10)
    ids, message_ids = take(paced, sms(LIMITED, 9))
    send(paced, Channel.SMS, ids)
    [late] = shown(paced, message_ids)
    assert (late["status"], len(twilio.created)) == ("queued", 1)


def test_e_mails_are_paced_too(paced, smtp, clock):
    ids, message_ids = take(paced, *[{"externalEmail": f"d{n}@example.com", "text": "Hi"} for n in range(3)])
    send(paced, Channel.EMAIL, ids)
    assert len(smtp.mails) == 1
    assert sorted(d["status"] for d in shown(paced, message_ids)) == ["queued", "queued", "sent"]


def test_what_waits_for_its_rate_says_nothing_of_the_provider(paced, clock):
    send(paced, Channel.SMS, take(paced, sms(LIMITED, 1))[0])
    trouble = Failed(FailureKind.RETRYABLE, "It is away.", provider_trouble=True)
    for _ in range(THRESHOLD - 1):
        paced.circuits[Channel.SMS].report(trouble, clock())
    send(paced, Channel.SMS, take(paced, *[sms(LIMITED, n) for n in range(2, 9)])[0])
    assert paced.circuits[Channel.SMS].report(trouble, clock()) is not None  # the last one in a row: it opens


def test_where_nothing_is_limited_the_broker_is_not_asked_once(parts, broker_url, twilio, smtp):
    ids, _ = take(parts, *[sms(OTHER, n) for n in range(5)], {"externalEmail": "d@example.com", "text": "Hi"})
    send(parts, Channel.SMS, ids)
    send(parts, Channel.EMAIL, ids)
    assert (len(twilio.created), len(smtp.mails)) == (5, 1)
    with redis.Redis.from_url(broker_url) as broker:
        assert broker.keys("roundsman.pace.*") == []
    assert parts.pace._lines._client is None


class Shut:
    """A pace that lets the first one through, and nobody after."""

    def __init__(self):
        self.asked = []

    async def ask(self, demand, *, placed, patience=PATIENCE):
        self.asked.append((placed, patience))
        return Answer(len(self.asked) == 1, 0 if len(self.asked) == 1 else 7_000_000)


@pytest.mark.parametrize(("fresh", "open_"), [(3, True), (0, False)])
def test_a_turn_that_came_late_asks_the_gate_again(fresh, open_):
    pace = Shut()
    passage = Passage(pace, Demand(LIMITED, 1, 1), placed=False, fresh=fresh)

    async def main():
        return await passage.wait(), await passage.is_open()

    assert asyncio.run(main()) == (True, open_)
    assert passage.come_again_in == (None if open_ else 7000)
    assert pace.asked == [(False, PATIENCE)] if open_ else [(False, PATIENCE), (True, 0)]
