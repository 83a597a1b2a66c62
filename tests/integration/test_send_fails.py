"""What a task makes of failures, with real parts: of templates, providers, channels, settings, the store."""

from dataclasses import replace

import pytest
from celery import Celery

from messages.circuit import THRESHOLD
from messages.clock import to_iso
from messages.delivery import Channel
from messages.errors import StoreUnavailable
from messages.outcomes import Outcome
from messages.outgoing import OutgoingEmail, OutgoingSms, Permit
from messages.settings import load_settings
from messages.store import Result
from tasks.progress import Progress
from tasks.sweep import sweep
from tests.integration.task_steps import accept_one, send_all, shown
from tests.servers.twilio import ACCOUNT, TOKEN
from worker.bridge import LoopThread
from worker.parts import build_parts


def test_a_template_that_cannot_be_rendered_fails_its_message_only(parts, smtp):
    bad = accept_one(parts, externalEmail="bad@example.com", templateType="appointment", template="reminder")
    good = accept_one(parts, externalEmail="good@example.com", text="Hello")
    send_all(parts, bad, good)
    assert [m.recipient for m in smtp.mails] == ["good@example.com"]
    delivery = shown(parts, bad.message_id)["deliveries"][0]
    assert delivery["status"] == "failed"
    assert delivery["error"].startswith("appointment/")
    assert "line " in delivery["error"]
    assert "startsAt" in delivery["error"] or "appointment" in delivery["error"]


def test_a_template_that_was_taken_away_since_fails_its_message_with_its_name(parts, smtp):
    accepted = accept_one(parts, externalEmail="dana@example.com", text="Hello")
    gone = type(parts.catalogue)([t for t in parts.catalogue.all() if t.path != "plain/default"])
    send_all(replace(parts, catalogue=gone), accepted)
    assert "plain/default" in shown(parts, accepted.message_id)["deliveries"][0]["error"]
    assert smtp.mails == []


def test_a_recipient_refused_for_good_fails_with_the_servers_code(parts):
    accepted = accept_one(parts, externalEmail="refused@customer.example", text="Hello")
    send_all(parts, accepted)
    delivery = shown(parts, accepted.message_id)["deliveries"][0]
    assert delivery["status"] == "failed"
    assert "5.1.1" in delivery["error"]
    assert "@" not in delivery["error"]
    assert delivery["attempts"][0]["outcome"] == "permanent"


def test_a_recipient_refused_for_now_is_tried_again_when_its_time_has_come(parts, clock):
    accepted = accept_one(parts, externalEmail="busy@customer.example", text="Hello")
    send_all(parts, accepted)
    delivery = shown(parts, accepted.message_id)["deliveries"][0]
    assert (delivery["status"], delivery["attempts"][0]["outcome"]) == ("queued", "retryable")
    assert delivery["nextAttemptAt"]
    assert sweep(parts) == 0
    clock.pass_seconds(31)
    assert sweep(parts) == 1
    assert parts.doorbell.waiting(Channel.EMAIL) == 1
    send_all(parts, accepted)
    assert len(shown(parts, accepted.message_id)["deliveries"][0]["attempts"]) == 2


def test_a_retry_that_would_come_too_late_expires_and_is_tried_once_it_is_redriven(parts, smtp, clock):
    soon = to_iso(clock() + 1000)
    accepted = accept_one(parts, externalEmail="busy@customer.example", text="Hello", expiresAt=soon)
    send_all(replace(parts, random=lambda: 0.9), accepted)
    delivery = shown(parts, accepted.message_id)["deliveries"][0]
    assert (delivery["status"], delivery["nextAttemptAt"]) == ("expired", None)
    clock.pass_seconds(3600)
    assert parts.store.redrive([accepted.message_id], "ada", clock()).moved == list(accepted.waiting)
    send_all(parts, accepted)
    delivery = shown(parts, accepted.message_id)["deliveries"][0]
    assert (delivery["status"], [a["number"] for a in delivery["attempts"]]) == ("queued", [1, 2])


@pytest.mark.parametrize(
    ("to", "status", "words", "action_by"),
    [
        ("+15005550201", "failed", "unwanted (30007)", "content"),
        ("+15005550202", "failed", "canceled there.", "operator"),
        ("+15005550203", "undelivered", "no longer in service (30005)", "recipient"),
        ("+15005550204", "suppressed", "opted out of messages from this sender (21610)", "recipient"),
    ],
)
def test_an_sms_that_failed_by_the_time_it_was_accepted_says_why(parts, to, status, words, action_by):
    accepted = accept_one(parts, externalPhoneNumber=to, text="Hello")
    send_all(parts, accepted)
    delivery = shown(parts, accepted.message_id)["deliveries"][0]
    assert (delivery["status"], delivery["actionBy"]) == (status, action_by)
    assert delivery["error"].endswith(words)
    assert delivery["providerId"].startswith("SM")
    assert (delivery["sentAt"] is not None) == (status == "undelivered")


def test_twilio_is_told_until_when_an_sms_is_worth_sending(parts, twilio, clock):
    accepted = accept_one(
        parts, externalPhoneNumber="804-222-1111", text="Hello", expiresAt=to_iso(clock() + 120_000)
    )
    send_all(parts, accepted)
    assert twilio.created[0]["ValidityPeriod"] == ["120"]


def test_what_a_code_means_can_be_said_in_a_file(database_url, broker_url, twilio, clock, tmp_path):
    path = tmp_path / "codes.json"
    path.write_text('{"21211": {"kind": "retryable", "sentence": "The registry is being updated"}}')
    settings = load_settings(
        database_url=database_url,
        broker_url=broker_url,
        twilio_base_url=twilio.url,
        twilio_account_sid=ACCOUNT,
        twilio_auth_token=TOKEN,
        twilio_errors_file=path,
        sender_phone="+15005550006",
    )
    with Celery("other", broker=broker_url, set_as_current=False) as app:
        parts = build_parts(app, settings, LoopThread(), clock)
        accepted = accept_one(parts, externalPhoneNumber="+15005550001", text="Hello")
        send_all(parts, accepted)
        delivery = shown(parts, accepted.message_id)["deliveries"][0]
        parts.close()
    assert (delivery["status"], delivery["error"]) == ("queued", "The registry is being updated (21211)")


def test_an_e_mail_waits_where_tls_is_required_and_the_server_has_none(parts, smtp, clock):
    settings = load_settings(smtp_url=smtp.url, smtp_tls="required")
    strict = build_parts(Celery("strict", set_as_current=False), settings, LoopThread(), clock)
    accepted = accept_one(parts, externalEmail="dana@example.com", text="Hello")
    send_all(replace(parts, email=strict.email), accepted)
    delivery = shown(parts, accepted.message_id)["deliveries"][0]
    assert (delivery["status"], delivery["actionBy"]) == ("queued", "operator")
    assert "SMTP_TLS" in delivery["error"]
    assert smtp.mails == []
    strict.close()


def test_without_a_provider_a_delivery_waits_and_says_what_to_set(parts):
    settings = load_settings()
    unset = build_parts(Celery("none", set_as_current=False), settings, LoopThread())
    accepted = accept_one(parts, externalPhoneNumber="804-222-1111", text="Hello")
    send_all(replace(parts, sms=unset.sms), accepted)
    delivery = shown(parts, accepted.message_id)["deliveries"][0]
    assert delivery["status"] == "queued"
    assert "TWILIO_ACCOUNT_SID" in delivery["error"]
    unset.close()


# Bugs


class Buggy:
    """A channel with a bug, before the hand-over is begun or after."""

    def __init__(self, *, begins: bool) -> None:
        self._begins = begins

    async def send(self, outgoing: OutgoingSms | OutgoingEmail, permit: Permit) -> Outcome:
        assert not self._begins or await permit.begin()
        raise RuntimeError(f"planted {outgoing} {outgoing.recipient}")


@pytest.mark.parametrize(
    "to",
    [{"externalPhoneNumber": "804-222-1111"}, {"externalEmail": "dana@example.com"}],
    ids=["sms", "email"],
)
@pytest.mark.parametrize(("begins", "status"), [(False, "failed"), (True, "unknown")])
def test_a_bug_in_a_channel_leaves_in_doubt_only_what_was_begun_and_is_logged_without_its_text(
    parts, caplog, clock, to, begins, status
):
    accepted = accept_one(parts, **to, text="secret-text")
    buggy = Buggy(begins=begins)
    send_all(replace(parts, sms=buggy, email=buggy), accepted)
    message = shown(parts, accepted.message_id)
    assert message["status"] == status
    assert "RuntimeError" in message["deliveries"][0]["error"]
    assert "RuntimeError" in caplog.text
    assert "secret-text" not in caplog.text + str(message["deliveries"])
    assert "804222" not in caplog.text
    assert "dana@" not in caplog.text


def test_an_email_that_a_bug_left_in_doubt_is_sent_again_by_hand_only_and_told_apart(parts, smtp, clock):
    accepted = accept_one(parts, externalEmail="dana@example.com", text="Hello")
    send_all(replace(parts, email=Buggy(begins=True)), accepted)
    clock.pass_seconds(86_400)
    sweep(parts)
    send_all(parts, accepted)
    assert smtp.mails == []
    assert parts.store.redrive([accepted.message_id], "ada", clock(), even_unknown=True).moved
    send_all(parts, accepted)
    attempts = shown(parts, accepted.message_id)["deliveries"][0]["attempts"]
    assert [a.get("possibleDuplicate") for a in attempts] == [None, True]
    assert len(smtp.mails) == 1


def test_an_email_keeps_its_message_id_when_sender_email_changes_between_attempts(
    parts, database_url, broker_url, smtp
):
    accepted = accept_one(parts, externalEmail="dana@example.com", text="Hello")
    send_all(replace(parts, email=Buggy(begins=True)), accepted)  # it may be out
    assert parts.store.redrive([accepted.message_id], "ada", parts.clock(), even_unknown=True).moved
    settings = load_settings(
        database_url=database_url, broker_url=broker_url, smtp_url=smtp.url, sender_email="new@other.example"
    )
    with Celery("other", broker=broker_url, set_as_current=False) as app:
        changed = build_parts(app, settings, LoopThread(), parts.clock)
        send_all(changed, accepted)
        changed.close()
    [mail] = smtp.mails
    assert mail.message["Message-ID"].endswith("@roundsman.example>")
    assert "roundsman.example" in mail.message["From"]


# What is away


def test_an_outcome_is_recorded_once_the_store_is_back(parts, smtp):
    accepted = accept_one(parts, externalEmail="dana@example.com", text="Hello")
    tries = []

    class AwayAtFirst(Progress):
        async def record(self, result: Result) -> bool:
            tries.append(result)
            if len(tries) < 3:
                raise StoreUnavailable("away")
            return await super().record(result)

    send_all(replace(parts, progress=AwayAtFirst(parts.store, parts.clock)), accepted)
    assert shown(parts, accepted.message_id)["status"] == "sent"
    assert (len(smtp.mails), len(tries)) == (1, 3)


def test_a_provider_that_is_down_is_left_alone_for_a_while_and_then_tried_again(parts, smtp, clock, outside):
    outside.run(smtp.__aexit__(None, None, None), 5)
    first = [accept_one(parts, externalEmail="dana@example.com", text="Hello") for _ in range(5)]
    send_all(parts, *first)
    assert parts.store.open_circuits(clock()) == {Channel.EMAIL: "The SMTP server cannot be reached"}
    waiting = accept_one(parts, externalEmail="dana@example.com", text="Hello")
    send_all(parts, waiting)
    delivery = shown(parts, waiting.message_id)["deliveries"][0]
    assert (delivery["status"], delivery["attempts"]) == ("queued", [])
    by_sms = accept_one(parts, externalPhoneNumber="804-222-1111", text="Hello")
    send_all(parts, by_sms)
    assert shown(parts, by_sms.message_id)["status"] == "sent"
    clock.pass_seconds(6)
    assert sweep(parts) >= 1
    send_all(parts, waiting)
    assert len(shown(parts, waiting.message_id)["deliveries"][0]["attempts"]) == 1


@pytest.mark.parametrize(
    "unsent",
    [
        {"templateType": "appointment", "template": "reminder"},
        {"text": "Hello", "attachments": ["http://localhost:9/gone.pdf"]},
    ],
    ids=["no template", "no attachment"],
)
def test_what_never_reached_the_provider_says_nothing_of_how_it_is(parts, smtp, outside, clock, unsent):
    outside.run(smtp.__aexit__(None, None, None), 5)
    for _ in range(THRESHOLD - 1):
        send_all(parts, accept_one(parts, externalEmail="dana@example.com", text="Hello"))
    send_all(parts, accept_one(parts, externalEmail="dana@example.com", **unsent))
    assert parts.store.open_circuits(clock()) == {}
    send_all(parts, accept_one(parts, externalEmail="dana@example.com", text="Hello"))
    assert Channel.EMAIL in parts.store.open_circuits(clock())
