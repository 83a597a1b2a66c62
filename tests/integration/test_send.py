"""Sending with real parts: store, templates, SMTP server, Twilio at the wire. Only Celery is left out."""

import base64
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from aiohttp import web

from messages.clock import to_iso
from messages.delivery import Channel
from tasks.parts import Parts
from tasks.send import send
from tasks.sweep import sweep
from tests.conftest import Ticking
from tests.integration.task_steps import accept_one, send_all, shown
from tests.stored import BOTH


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


# What is late is not sent


def _late(parts: Parts, clock: Ticking, seconds: float = 3600) -> Callable[..., Any]:
    def render(*arguments: Any) -> Any:
        clock.pass_seconds(seconds)
        return parts.renderer.render_email(*arguments)

    return render


def test_a_lease_that_ran_out_before_the_wire_sends_nothing(parts, smtp, clock):
    accepted = accept_one(parts, externalEmail="dana@example.com", text="Hello")
    late = replace(parts, renderer=SimpleNamespace(render_email=_late(parts, clock)))
    send(late, Channel.EMAIL, [i for i, _ in accepted.waiting])
    assert smtp.mails == []
    clock.pass_seconds(1)
    sweep(parts)
    assert shown(parts, accepted.message_id)["status"] == "queued"


@pytest.fixture
def expiring(parts, clock):
    """Renders for ten seconds; what it renders expires meanwhile."""
    late = replace(parts, renderer=SimpleNamespace(render_email=_late(parts, clock, 10)))
    soon = to_iso(clock() + 10_000)
    return late, lambda: accept_one(parts, externalEmail="dana@example.com", text="Hello", expiresAt=soon)


def test_what_expires_between_claim_and_hand_over_is_not_sent(parts, smtp, expiring):
    late, accept = expiring
    accepted = [accept(), accept()]  # together: they are claimed before they are rendered
    send(late, Channel.EMAIL, [i for one in accepted for i, _ in one.waiting])
    assert smtp.mails == []
    for one in accepted:
        delivery = shown(parts, one.message_id)["deliveries"][0]
        assert (delivery["status"], delivery["attempts"][0]["outcome"]) == ("expired", "retryable")
        assert "expire" in delivery["error"]


def test_what_is_alone_and_expires_before_it_is_claimed_is_the_sweeps(parts, smtp, expiring):
    late, accept = expiring
    accepted = accept()
    send(late, Channel.EMAIL, [i for i, _ in accepted.waiting])
    sweep(parts)
    assert smtp.mails == []
    delivery = shown(parts, accepted.message_id)["deliveries"][0]
    assert (delivery["status"], delivery["attempts"]) == ("expired", [])
