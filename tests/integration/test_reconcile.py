"""SMS in doubt, with real parts: no SMS is lost, and none is sent twice."""

from dataclasses import replace

import pytest

from messages.delivery import Channel
from messages.store import Accepted
from messages.view import show
from tasks.reconcile import reconcile
from tasks.send import send
from tasks.sweep import sweep
from tests.servers import wait_until
from tests.servers.twilio import DROPPED
from worker.rounds import Rounds


@pytest.fixture
def accept_sms(parts):
    def accept(to=DROPPED, text="Hello"):
        fields = {"externalPhoneNumber": to, "text": text}
        result = parts.acceptor.accept([parts.acceptor.draft(fields)])[0]
        assert isinstance(result, Accepted), result
        return result

    return accept


@pytest.fixture
def try_once(parts):
    def send_one(accepted):
        send(parts, Channel.SMS, [i for i, _ in accepted.waiting])

    return send_one


@pytest.fixture
def delivery(parts):
    def get(accepted):
        return show(parts.store.find([accepted.message_id]), 0, parts.store.objects)[0]["deliveries"][0]

    return get


def forget(twilio):
    """As if Twilio had not taken the last one."""
    twilio.created.pop()
    return twilio.messages.pop()


def test_an_sms_that_was_taken_before_the_answer_was_lost_is_found(
    parts, twilio, clock, accept_sms, try_once, delivery
):
    accepted = accept_sms()
    try_once(accepted)
    assert delivery(accepted)["status"] == "unknown"
    assert reconcile(parts) == 0
    assert twilio.lists == 0
    clock.pass_seconds(60)
    assert reconcile(parts) == 1
    assert (delivery(accepted)["status"], delivery(accepted)["providerId"]) == (
        "sent",
        twilio.messages[0]["sid"],
    )
    try_once(accepted)
    assert (len(twilio.created), sweep(parts), reconcile(parts)) == (1, 0, 0)


def test_an_sms_that_twilio_took_and_could_not_send_is_failed_and_may_be_redriven(
    parts, twilio, clock, accept_sms, try_once, delivery
):
    accepted = accept_sms()
    try_once(accepted)
    twilio.messages[0] |= {"status": "failed", "error_code": 30007}
    clock.pass_seconds(60)
    assert reconcile(parts) == 1
    assert (delivery(accepted)["status"], delivery(accepted)["attempts"][0]["code"]) == ("failed", "30007")
    assert "The carrier filtered the message out as unwanted (30007)" in delivery(accepted)["error"]
    assert (sweep(parts), reconcile(parts)) == (0, 0)
    parts.store.redrive([accepted.message_id], "ada", clock())
    try_once(accepted)
    clock.pass_seconds(60)
    assert reconcile(parts) == 1
    assert (delivery(accepted)["status"], delivery(accepted)["providerId"]) == (
        "sent",
        twilio.messages[1]["sid"],
    )


def test_an_sms_that_was_not_taken_is_sent_again_once(parts, twilio, clock, accept_sms, try_once, delivery):
    accepted = accept_sms()
    try_once(accepted)
    forget(twilio)
    clock.pass_seconds(60)
    assert reconcile(parts) == 1
    assert delivery(accepted)["status"] == "queued"
    clock.pass_seconds(31)
    assert sweep(parts) == 1
    try_once(accepted)
    clock.pass_seconds(60)
    reconcile(parts)
    attempts = delivery(accepted)["attempts"]
    assert (delivery(accepted)["status"], [a["outcome"] for a in attempts]) == ("sent", ["retryable", "sent"])
    assert len(twilio.created) == 1


def test_of_two_equal_texts_to_one_number_the_lost_one_is_sent_again(
    parts, twilio, clock, accept_sms, try_once, delivery
):
    first, second = accept_sms(), accept_sms()
    try_once(first)
    clock.pass_seconds(60)
    reconcile(parts)
    try_once(second)
    forget(twilio)
    clock.pass_seconds(60)
    reconcile(parts)
    assert (delivery(first)["status"], delivery(second)["status"]) == ("sent", "queued")


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_of_two_equal_texts_in_doubt_as_many_are_sent_again_as_were_lost(
    parts, twilio, clock, accept_sms, try_once, delivery, lost
):
    both = accept_sms(), accept_sms()
    for accepted in both:
        try_once(accepted)
    for _ in range(lost):
        forget(twilio)
    clock.pass_seconds(60)
    assert reconcile(parts) == 2
    clock.pass_seconds(31)
    sweep(parts)
    for accepted in both:
        try_once(accepted)
    clock.pass_seconds(60)
    reconcile(parts)
    assert [delivery(a)["status"] for a in both] == ["sent", "sent"]
    assert sorted(delivery(a)["providerId"] for a in both) == sorted(m["sid"] for m in twilio.messages)
    assert len(twilio.created) == 2


def test_an_sms_that_another_program_may_have_sent_stays_unknown(
    parts, twilio, clock, accept_sms, try_once, delivery
):
    accepted = accept_sms()
    try_once(accepted)
    twilio.messages[0]["body"] = "Hello, in other words"
    clock.pass_seconds(60)
    assert reconcile(parts) == 0
    assert delivery(accepted)["status"] == "unknown"
    assert "may be this one" in delivery(accepted)["error"]


def test_while_twilio_cannot_say_an_sms_stays_unknown_and_is_asked_about_later(
    parts, twilio, clock, accept_sms, try_once, delivery
):
    accepted = accept_sms()
    try_once(accepted)
    twilio.list_status = 503
    clock.pass_seconds(60)
    assert reconcile(parts) == 0
    assert (delivery(accepted)["status"], "503" in delivery(accepted)["error"]) == ("unknown", True)
    twilio.list_status = 200
    assert (reconcile(parts), twilio.lists) == (0, 1)
    clock.pass_seconds(60)
    assert (reconcile(parts), delivery(accepted)["status"]) == (1, "sent")


def test_a_template_that_was_changed_since_does_not_hide_what_was_sent(
    parts, twilio, clock, accept_sms, try_once, delivery, tmp_path
):
    accepted = accept_sms()
    try_once(accepted)
    changed = replace(parts, renderer=None, catalogue=None)
    clock.pass_seconds(60)
    assert (reconcile(changed), delivery(accepted)["status"]) == (1, "sent")


def test_a_bug_in_asking_is_logged_without_data_and_holds_up_nobody_else(
    parts, twilio, clock, accept_sms, try_once, delivery, caplog
):
    bad, good = accept_sms(to="+15005550007"), accept_sms()
    for accepted in (bad, good):
        try_once(accepted)

    class Broken:
        async def listed(self, recipient):
            if recipient == "+15005550007":
                raise RuntimeError(f"planted {recipient}")
            return await parts.sms.listed(recipient)

    clock.pass_seconds(60)
    assert reconcile(replace(parts, sms=Broken())) == 1
    assert (delivery(bad)["status"], delivery(good)["status"]) == ("unknown", "sent")
    assert "RuntimeError" in caplog.text
    assert "planted" not in caplog.text


def test_every_worker_goes_both_rounds(parts, clock, accept_sms, try_once, delivery):
    in_doubt, waiting = accept_sms(), accept_sms(to="804-222-1111")
    try_once(in_doubt)
    clock.pass_seconds(60)
    rounds = [Rounds(parts, every=0.02) for _ in range(2)]
    for one in rounds:
        one.start()
    try:
        wait_until(lambda: delivery(in_doubt)["status"] == "sent" and parts.doorbell.waiting(Channel.SMS))
    finally:
        for one in rounds:
            one.stop()
    assert delivery(waiting)["status"] == "queued"
