"""What a template needs and a Message lacks is answered with a 400 that names it, at every entrance."""

from dataclasses import replace
from pathlib import Path

import pytest

from messages.acceptance import Acceptor
from messages.clock import from_iso, system_clock
from messages.errors import InvalidMessage
from messages.rendering.bounded import BoundedRenderer
from messages.rendering.process import RenderProcesses
from messages.rendering.renderer import Renderer
from messages.settings import load_settings
from tasks.accept import accept
from tests.integration.task_steps import accept_one, send_all, shown
from tests.servers.http import is_error

TO = {"externalEmail": "maya@example.com"}
PRICE_DROP = TO | {"templateType": "price-drop"}
GOOD = PRICE_DROP | {"vehicle": {"price": 23490}}


def refused(client, **fields):
    return is_error(client.post("/api/messages", json=fields), 400)


def test_missing_variables_are_a_400_that_names_them(client):
    error = refused(client, **PRICE_DROP)
    assert error["fields"] == {
        "vehicle.price": "is missing: the template price-drop/default/body.html needs it"
    }
    assert "vehicle.price" in error["message"]
    assert client.get("/api/messages").json()["totalCount"] == 0
    assert client.post("/api/messages", json=GOOD).status_code == 200


def test_value_that_a_filter_refuses_is_a_400_that_names_it(client):
    error = refused(client, **PRICE_DROP, vehicle={"price": "abc", "url": "javascript:x"})
    assert (
        "'abc' is wrong: the template's filter money takes an amount of dollars"
        in error["fields"]["vehicle.price"]
    )
    assert "http(s)" in error["fields"]["vehicle.url"]
    error = refused(client, **TO, templateType="appointment", appointment={"startsAt": "tomorrow"})
    assert "ISO 8601" in error["fields"]["appointment.startsAt"]


def test_only_channels_that_will_be_used_count(serving, tmp_path):
    template = tmp_path / "templates" / "t" / "default"
    template.mkdir(parents=True)
    (tmp_path / "templates" / "plain").mkdir()
    (template / "sms.txt").write_text("{{ message.short }}")
    (template / "subject.txt").write_text("Hello")
    (template / "body.txt").write_text("{{ message.long }}")
    with serving(templates_dir=tmp_path / "templates") as client:
        by_email = TO | {"templateType": "t"}
        by_sms = {"externalPhoneNumber": "804-222-1111", "templateType": "t"}
        assert set(refused(client, **by_email)["fields"]) == {"long"}
        assert set(refused(client, **by_sms)["fields"]) == {"short"}
        assert set(refused(client, **by_sms, **TO)["fields"]) == {"short", "long"}
        lead = {"lead": {"id": "lead_1", "email": "maya@example.com"}, "templateType": "t"}
        assert set(refused(client, **lead)["fields"]) == {"long"}
        assert client.post("/api/messages", json=lead | {"long": "x"}).status_code == 200
        assert set(refused(client, lead="lead_1", templateType="t")["fields"]) == {"long"}


def test_object_known_by_its_id_is_left_to_the_worker(serving, tmp_path):
    template = tmp_path / "templates" / "t" / "default"
    template.mkdir(parents=True)
    (template / "subject.txt").write_text("Hello")
    (template / "body.txt").write_text("{{ lead.firstName }}")
    with serving(templates_dir=tmp_path / "templates") as client:
        message = TO | {"templateType": "t"}
        assert set(refused(client, **message)["fields"]) == {"lead.firstName"}
        assert set(refused(client, **message, lead={"lastName": "Chen"})["fields"]) == {"lead.firstName"}
        for lead in ("lead_77", {"id": "lead_77", "lastName": "Chen"}):
            assert client.post("/api/messages", json=message | {"lead": lead}).status_code == 200


def test_message_that_is_stored_is_never_refused_for_its_template(serving):
    message = PRICE_DROP | {"id": "m-1"}
    with serving(render_at_acceptance=False) as client:
        assert client.post("/api/messages", json=message).status_code == 200
        keyed = client.post("/api/messages", json=PRICE_DROP, headers={"Idempotency-Key": "k-1"})
    with serving() as client:
        assert client.post("/api/messages", json=message).status_code == 200
        again = client.post("/api/messages", json=PRICE_DROP, headers={"Idempotency-Key": "k-1"})
        assert again.json() == keyed.json()
        is_error(client.post("/api/messages", json=message | {"text": "other"}), 409)
        refused(client, **PRICE_DROP, id="m-2")


def test_entries_of_a_batch_are_refused_each_by_itself(client):
    body = client.post("/api/messages/batch", json=[GOOD, PRICE_DROP, GOOD]).json()
    assert [result["success"] for result in body["data"]] == [True, False, True]
    assert body["data"][1] == client.post("/api/messages", json=PRICE_DROP).json()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_entries_of_the_queue_are_refused_with_the_same_reason(parts):
    accept(parts, [[GOOD, PRICE_DROP]], "task-1")
    assert parts.store.page(None, 10, 1).total == 1
    [entry] = parts.store.refused(10)
    assert set(entry.fields) == {"vehicle.price"}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_messages_beyond_the_time_for_rendering_are_left_to_the_worker(parts, monkeypatch):
    monkeypatch.setattr("messages.acceptance.RENDER_SECONDS", 0)
    accept(parts, [[PRICE_DROP]], "task-1")
    assert parts.store.page(None, 10, 1).total == 1


def test_render_that_takes_too_long_is_left_to_the_worker(tmp_path, serving):
    template = tmp_path / "templates" / "slow" / "default"
    template.mkdir(parents=True)
    (template / "sms.txt").write_text("{{ message.missing }}{{ 7 ** (7 ** message.n) }}")
    with serving(templates_dir=tmp_path / "templates", render_timeout_seconds=0.2) as client:
        slow = {"externalPhoneNumber": "804-222-1111", "templateType": "slow", "n": 9}
        assert client.post("/api/messages", json=slow).status_code == 200


def test_plain_messages_are_rendered_once_for_all(sqlite_store):
    acceptor = Acceptor.from_settings(load_settings(), sqlite_store, system_clock)
    first = acceptor.draft(TO | {"text": "Hello", "id": "m-1"})
    assert acceptor.must_render(first)
    acceptor.check_template(first)
    for fields in (
        {"text": "Other [](a:" * 50},
        {"text": "x", "lead": "lead_1"},
        {"text": "y", "unknown": {}},
    ):
        assert not acceptor.must_render(acceptor.draft(TO | fields))
    values = ({"salesRep": {"phone": "abc"}}, {"subject": "s"}, {"template": "plain"})
    for fields in values:
        assert acceptor.must_render(acceptor.draft(TO | fields | {"attachments": ["https://a.example/b"]}))
    with pytest.raises(InvalidMessage) as caught:
        acceptor.check_template(acceptor.draft(TO | {"text": "x", "salesRep": {"phone": "abc"}}))
    assert set(caught.value.fields) == {"salesRep.phone"}
    acceptor.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_missing_variable_of_a_stored_message_fails_once_at_the_worker(parts):
    accepted = accept_one(replace(parts, acceptor=replace(parts.acceptor, template_check=None)), **PRICE_DROP)
    send_all(parts, accepted)
    message = shown(parts, accepted.message_id)
    assert (message["status"], len(message["deliveries"][0]["attempts"])) == ("failed", 1)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_message_that_finds_all_render_processes_busy_is_postponed_without_an_attempt(parts, clock):
    processes = RenderProcesses({}, timeout_seconds=1, size=0)
    renderer = Renderer(parts.catalogue, Path("templates"), dealership="D", timezone="UTC")
    busy = replace(parts, renderer=BoundedRenderer(renderer, processes, 1, reload=False))
    for text in ("Hello", "Hello " * 2000):
        accepted = accept_one(busy, **TO, text=text)
        send_all(busy, accepted)
    [delivery] = shown(parts, accepted.message_id)["deliveries"]
    assert (delivery["status"], delivery["attempts"]) == ("queued", [])
    assert clock() + 1000 <= from_iso(delivery["nextAttemptAt"]) <= clock() + 3000
    clock.pass_seconds(3)
    send_all(parts, accepted)
    assert shown(parts, accepted.message_id)["status"] == "sent"
