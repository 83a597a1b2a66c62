"""The tasks with real parts: store, templates, SMTP server, Twilio at the wire. Only Celery is left out."""

import base64
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from aiohttp import web
from celery import Celery

from messages.circuit import THRESHOLD
from messages.clock import to_iso
from messages.delivery import Channel
from messages.errors import StoreUnavailable
from messages.outcomes import Outcome
from messages.outgoing import OutgoingEmail, OutgoingSms, Permit
from messages.settings import load_settings
from messages.store import Accepted, Result
from messages.view import show
from tasks.accept import accept
from tasks.parts import Parts
from tasks.progress import Progress
from tasks.send import send
from tasks.sweep import sweep
from tests.conftest import Ticking
from tests.servers.twilio import ACCOUNT, TOKEN
from worker.bridge import LoopThread
from worker.parts import build_parts

BOTH = {"externalPhoneNumber": "804-222-1111", "externalEmail": "dana@example.com", "text": "Hello"}


def accept_one(parts: Parts, **fields: Any) -> Accepted:
    result = parts.acceptor.accept([parts.acceptor.draft(fields)])[0]
    assert isinstance(result, Accepted), result
    return result


def send_all(parts: Parts, *accepted: Accepted) -> None:
    for channel in Channel:
        send(parts, channel, [i for a in accepted for i, lane in a.waiting if lane.channel is channel])


def shown(parts: Parts, message_id: str) -> dict:
    return show(parts.store.find([message_id]), 0, parts.store.objects)[0]


def test_a_message_with_everything_is_sent_on_both_channels(parts, smtp, twilio, outside):
    async def brochure(_: web.Request) -> web.Response:
        return web.Response(body=b"%PDF-1.7 brochure", content_type="application/pdf")

    async def serve() -> tuple[web.AppRunner, int]:
        app = web.Application()
        app.router.add_get("/brochure.pdf", brochure)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "localhost", 0)
        await site.start()
        return runner, runner.addresses[0][1]

    runner, port = outside.run(serve(), 5)
    sticker = {"filename": "Aufkleber für Größe.txt", "mimeType": "text/plain", "content": "SGVsbG8="}
    accepted = accept_one(
        parts,
        **BOTH | {"text": "It is still here."},
        templateType="vehicle-enquiry",
        lead={"id": "lead-1", "firstName": "Dana"},
        attachments=[f"http://localhost:{port}/brochure.pdf", sticker],
    )
    send_all(parts, accepted)
    outside.run(runner.cleanup(), 5)
    message = shown(parts, accepted.message_id)
    assert (message["status"], [d["status"] for d in message["deliveries"]]) == ("sent", ["sent", "sent"])
    mail = smtp.mails[0].message
    assert mail["To"] == "dana@example.com"
    assert mail["Message-ID"] == message["deliveries"][1]["providerId"]
    assert "Dana" in mail.get_body(("html",)).get_content()
    files = {part.get_filename(): part.get_payload(decode=True) for part in mail.iter_attachments()}
    assert files == {"brochure.pdf": b"%PDF-1.7 brochure", "Aufkleber für Größe.txt": b"Hello"}
    form = twilio.created[0]
    assert (form["To"], form["From"]) == (["+18042221111"], ["+15005550006"])
    assert message["deliveries"][0]["segments"] >= 1
    media = form["MediaUrl"]
    assert media[0].endswith("/brochure.pdf")
    assert media[1].startswith("https://messages.dealer.example/media/att_")


def test_a_task_that_comes_twice_sends_once(parts, smtp, twilio):
    accepted = accept_one(parts, **BOTH)
    for _ in range(3):
        send_all(parts, accepted)
    assert (len(smtp.mails), len(twilio.created)) == (1, 1)


def test_ids_that_nobody_knows_change_nothing(parts, smtp):
    send(parts, Channel.EMAIL, ["dlv_nobody", "", "'; DROP TABLE messages"])
    assert smtp.mails == []


def test_a_hundred_messages_in_one_list_are_all_sent(parts, smtp):
    accepted = [accept_one(parts, externalEmail=f"dana{n}@example.com", text="Hello") for n in range(100)]
    send_all(parts, *accepted)
    assert {m.recipient for m in smtp.mails} == {f"dana{n}@example.com" for n in range(100)}
    assert parts.store.waiting_by_state() == {"scheduled": 0, "queued": 0, "sending": 0, "unknown": 0}


def test_text_is_data_and_never_a_template(parts, smtp):
    send_all(parts, accept_one(parts, externalEmail="dana@example.com", text="{{ 7 * 7 }} <b>{% x %}"))
    mail = smtp.mails[0].message
    assert "{{ 7 * 7 }} <b>{% x %}" in mail.get_body(("plain",)).get_content()
    assert "&lt;b&gt;" in mail.get_body(("html",)).get_content()


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


def test_a_lease_that_ran_out_before_the_wire_sends_nothing(parts, smtp, clock):
    accepted = accept_one(parts, externalEmail="dana@example.com", text="Hello")
    late = replace(parts, renderer=SimpleNamespace(render_email=_late(parts, clock)))
    send(late, Channel.EMAIL, [i for i, _ in accepted.waiting])
    assert smtp.mails == []
    clock.pass_seconds(1)
    sweep(parts)
    assert shown(parts, accepted.message_id)["status"] == "queued"


def test_what_expires_between_claim_and_hand_over_is_not_sent(parts, smtp, clock):
    soon = to_iso(clock() + 10_000)
    accepted = accept_one(parts, externalEmail="dana@example.com", text="Hello", expiresAt=soon)
    late = replace(parts, renderer=SimpleNamespace(render_email=_late(parts, clock, 10)))
    send(late, Channel.EMAIL, [i for i, _ in accepted.waiting])
    assert smtp.mails == []
    delivery = shown(parts, accepted.message_id)["deliveries"][0]
    assert (delivery["status"], delivery["attempts"][0]["outcome"]) == ("expired", "retryable")
    assert "expire" in delivery["error"]


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


def _late(parts: Parts, clock: Ticking, seconds: float = 3600) -> Callable[..., Any]:
    def render(*arguments: Any) -> Any:
        clock.pass_seconds(seconds)
        return parts.renderer.render_email(*arguments)

    return render


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


def test_without_a_provider_a_delivery_waits_and_says_what_to_set(parts):
    settings = load_settings()
    unset = build_parts(Celery("none", set_as_current=False), settings, LoopThread())
    accepted = accept_one(parts, externalPhoneNumber="804-222-1111", text="Hello")
    send_all(replace(parts, sms=unset.sms), accepted)
    delivery = shown(parts, accepted.message_id)["deliveries"][0]
    assert delivery["status"] == "queued"
    assert "TWILIO_ACCOUNT_SID" in delivery["error"]
    unset.close()


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


# The queue entrance


def test_a_message_or_a_list_of_them_is_accepted_and_enqueued(parts):
    accept(parts, [BOTH], "task-1")
    accept(parts, [[BOTH, {**BOTH, "id": "order-1"}]], "task-2")
    assert parts.store.page(None, 10, 1).total == 3
    assert parts.doorbell.waiting(Channel.SMS) == 2


def test_a_task_that_comes_twice_accepts_once(parts):
    for _ in range(3):
        accept(parts, [[BOTH, BOTH]], "task-1")
    assert parts.store.page(None, 10, 1).total == 2


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        [None],
        [5],
        ["text"],
        [[5]],
        [{"text": 5}],
        [BOTH | {"text": "a\ud800"}],
        [BOTH | {"text": "a\0"}],
        [BOTH | {"n": 2**80}],
        [BOTH | {"templateType": "no-such"}],
        [{"text": "Hello"}],
    ],
)
def test_what_is_no_message_is_kept_as_refused_with_its_reason(parts, arguments):
    accept(parts, arguments, "task-1")
    assert parts.store.page(None, 10, 1).total == 0
    assert [bool(r.reason and r.body) for r in parts.store.refused(10)] == [True] * max(1, len(arguments))


def test_an_entry_that_the_store_cannot_take_is_refused_and_the_rest_of_its_list_accepted(parts, caplog):
    class Picky:
        def accept(self, entries: list[Any], now: int, until: float | None) -> Any:
            if any(entry.draft.fields["text"] == "planted" for entry in entries):
                raise RuntimeError("the store says: planted")
            return parts.store.accept(entries, now, until)

        def __getattr__(self, name: str) -> Any:
            return getattr(parts.store, name)

    acceptor: Any = replace(parts.acceptor, store=Picky())
    accept(replace(parts, acceptor=acceptor), [[BOTH, BOTH | {"text": "planted"}, BOTH]], "task-1")
    assert parts.store.page(None, 10, 1).total == 2
    [refused] = parts.store.refused(10)
    assert refused.reason == "It could not be stored (RuntimeError)."
    assert orjson.loads(refused.body)["text"] == "planted"
    assert "planted" not in caplog.text


def test_other_content_for_a_known_id_is_refused_and_the_rest_of_its_list_accepted(parts):
    accept(parts, [BOTH | {"id": "order-1"}], "task-1")
    accept(parts, [[BOTH | {"id": "order-1", "text": "Other"}, BOTH]], "task-2")
    assert parts.store.page(None, 10, 1).total == 2
    assert "order-1" in parts.store.refused(10)[0].reason


def test_what_was_refused_is_logged_without_its_content(parts, caplog):
    accept(parts, [{"text": "planted-secret", "externalEmail": "planted@"}], "task-1")
    assert "Refused 1 entries" in caplog.text
    assert "planted" not in caplog.text
    assert "planted-secret" in parts.store.refused(1)[0].body


def test_the_set_of_shipped_templates_is_sent_as_its_examples_say(parts, smtp, twilio):
    for example in sorted(Path("templates").glob("*/*/example.json")):
        fields = orjson.loads(example.read_bytes())
        fields.setdefault("templateType", example.parent.parent.name)
        fields.setdefault("template", example.parent.name)
        fields["attachments"] = [f"data:text/plain;base64,{base64.b64encode(b'x').decode()}"]
        accepted = accept_one(parts, **fields)
        send_all(parts, accepted)
        assert shown(parts, accepted.message_id)["status"] == "sent", example
    assert smtp.mails
    assert twilio.created
