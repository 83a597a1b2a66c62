"""Twilio's reports, as intake gets them: signed, repeated, late, forged."""

from collections.abc import Iterator

import httpx
import pytest
from twilio.request_validator import RequestValidator

from intake.app import create_app
from messages.clock import system_clock
from messages.delivery import Beginning, Channel, Lease
from messages.receipts import twilio_callback
from messages.reconciliation import text_hash
from messages.settings import load_settings
from messages.states import DeliveryState
from messages.store import Result
from messages.view import show
from tests.servers.http import serve

TOKEN, PUBLIC = "the-token", "https://messages.dealer.example"
SID = "SM" + "a" * 32


@pytest.fixture
def client(broker_url: str, database_url: str) -> Iterator[httpx.Client]:
    settings = load_settings(
        broker_url=broker_url,
        database_url=database_url,
        public_url=PUBLIC + "/",
        twilio_account_sid="AC1",
        twilio_auth_token=TOKEN,
        api_keys="a-long-random-key",
    )
    with serve(create_app(settings)) as url, httpx.Client(base_url=url, timeout=20) as client:
        yield client


@pytest.fixture
def in_doubt(store, accept):
    """A Message whose SMS is in doubt; gives its id and the Delivery's."""
    accepted = accept(externalPhoneNumber="804-222-1111", text="Hello")
    ids, now = [i for i, _ in accepted.waiting], system_clock()
    claim = store.claim(ids, Channel.SMS, Lease(now, now + 60_000))[0].claim
    store.begin([Beginning(claim, text_hash("Hello"))], now)
    store.record([Result(claim, DeliveryState.UNKNOWN, "ambiguous", error="No answer.")], now)
    return accepted.message_id, claim.delivery_id


def report(client, delivery_id, signature=None, **fields):
    form = {"MessageSid": SID, "MessageStatus": "sent", "To": "+18042221111", "Empty": ""} | fields
    url = twilio_callback(PUBLIC, delivery_id)
    signed = RequestValidator(TOKEN).compute_signature(url, form) if signature is None else signature
    return client.post(
        url.removeprefix(PUBLIC), data=form, headers={"X-Twilio-Signature": signed} if signed else {}
    )


def is_error(response, code):
    assert response.status_code == code, response.text
    assert (response.json()["success"], response.json()["error"]["code"]) == (False, code)


@pytest.mark.parametrize("status", ["queued", "sending", "sent", "delivered", ""])
def test_whatever_else_twilio_reports_it_has_accepted_the_sms(client, store, in_doubt, status):
    message_id, delivery_id = in_doubt
    response = report(client, delivery_id, MessageStatus=status)
    assert response.status_code == 200, response.text
    assert response.json() == {"data": {"deliveryId": delivery_id, "recorded": True}, "success": True}
    shown = show(store.find([message_id]), 0, store.objects)[0]
    assert (shown["status"], shown["deliveries"][0]["providerId"]) == ("sent", SID)
    assert "reported" in shown["events"][-1]["detail"]


@pytest.mark.parametrize(
    ("status", "code", "state", "said"),
    [
        ("failed", "30002", "failed", "could not send it: The Twilio account is suspended"),
        ("canceled", "", "failed", "was canceled there."),
        ("undelivered", "30003", "undelivered", "could not be delivered: The phone cannot be reached"),
    ],
)
def test_one_in_doubt_that_ended_badly_is_what_twilios_list_would_make_it(
    client, store, in_doubt, status, code, state, said
):
    message_id, delivery_id = in_doubt
    answers = [report(client, delivery_id, MessageStatus=status, ErrorCode=code) for _ in range(2)]
    assert [answer.json()["data"]["recorded"] for answer in answers] == [True, False]
    shown = show(store.find([message_id]), 0, store.objects)[0]
    [delivery] = shown["deliveries"]
    assert (shown["status"], delivery["status"], delivery["providerId"]) == (state, state, SID)
    assert (delivery["sentAt"] is None) == (state == "failed")
    assert said in delivery["error"]
    assert (shown["events"][-1]["type"], shown["events"][-1]["detail"]) == (state, delivery["error"])
    attempt = delivery["attempts"][0]
    assert attempt["outcome"] == ("permanent" if state == "failed" else "sent")
    assert (attempt["error"], attempt["code"]) == (delivery["error"], code or None)


def test_what_was_sent_and_is_reported_undelivered_later_is_undelivered(client, store, in_doubt):
    message_id, delivery_id = in_doubt
    report(client, delivery_id)
    sent_at = show(store.find([message_id]), 0, store.objects)[0]["sentAt"]
    for status, recorded in (("undelivered", True), ("sent", False), ("failed", False)):
        assert report(client, delivery_id, MessageStatus=status).json()["data"]["recorded"] is recorded
    shown = show(store.find([message_id]), 0, store.objects)[0]
    assert (shown["status"], shown["sentAt"]) == ("undelivered", sent_at)


def test_what_a_code_means_can_be_said_in_a_file(broker_url, database_url, store, in_doubt, tmp_path):
    path = tmp_path / "codes.json"
    path.write_text('{"30002": {"sentence": "Nobody has paid the bill"}}')
    settings = load_settings(
        broker_url=broker_url,
        database_url=database_url,
        public_url=PUBLIC,
        twilio_account_sid="AC1",
        twilio_auth_token=TOKEN,
        twilio_errors_file=path,
    )
    with serve(create_app(settings)) as url, httpx.Client(base_url=url, timeout=20) as client:
        report(client, in_doubt[1], MessageStatus="failed", ErrorCode="30002")
    assert "paid the bill" in show(store.find([in_doubt[0]]), 0, store.objects)[0]["deliveries"][0]["error"]


def test_a_report_that_comes_again_is_taken_and_changes_nothing(client, store, in_doubt):
    message_id, delivery_id = in_doubt
    answers = [report(client, delivery_id, MessageStatus=s).json()["data"] for s in ("delivered", "sent")]
    assert [a["recorded"] for a in answers] == [True, False]
    shown = show(store.find([message_id]), 0, store.objects)[0]
    assert [e["type"] for e in shown["events"]].count("sent") == 1


@pytest.mark.parametrize("signature", ["", "x", "0" * 28])
def test_a_report_that_twilio_did_not_sign_is_refused(client, store, in_doubt, signature):
    message_id, delivery_id = in_doubt
    is_error(report(client, delivery_id, signature), 403)
    assert show(store.find([message_id]), 0, store.objects)[0]["status"] == "unknown"


def test_a_report_of_a_delivery_that_does_not_exist_is_404_only_if_it_is_signed(client):
    is_error(report(client, "dlv_nobody"), 404)
    is_error(report(client, "dlv_nobody", ""), 403)


def test_a_signature_for_one_delivery_is_none_for_another(client, in_doubt):
    form = {"MessageSid": SID}
    signature = RequestValidator(TOKEN).compute_signature(twilio_callback(PUBLIC, "dlv_other"), form)
    is_error(report(client, in_doubt[1], signature), 403)


@pytest.mark.parametrize("sid", ["", "SM1", "XX" + "a" * 32, SID + "\n"])
def test_a_report_without_a_message_is_refused(client, in_doubt, sid):
    is_error(report(client, in_doubt[1], MessageSid=sid), 400)


def test_a_report_on_another_message_is_logged_and_changes_nothing(client, store, in_doubt, caplog):
    message_id, delivery_id = in_doubt
    report(client, delivery_id)
    assert report(client, delivery_id, MessageSid="SM" + "b" * 32).json()["data"]["recorded"] is False
    assert show(store.find([message_id]), 0, store.objects)[0]["deliveries"][0]["providerId"] == SID
    assert delivery_id in caplog.text
    assert "2221111" not in caplog.text


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"", 403), (b"\xff", 400), (b"a=%ff", 400), (b"a=1&" * 300, 400), (b"a" * 70_000, 413)],
)
def test_a_body_that_is_no_report_is_refused(client, in_doubt, body, code):
    path = twilio_callback("", in_doubt[1])
    is_error(client.post(path, content=body), code)


def test_without_a_token_nothing_is_taken(broker_url, database_url, in_doubt):
    settings = load_settings(broker_url=broker_url, database_url=database_url, public_url=PUBLIC)
    with serve(create_app(settings)) as url, httpx.Client(base_url=url, timeout=20) as client:
        is_error(report(client, in_doubt[1]), 403)


def test_the_gauge_of_deliveries_counts_those_in_doubt(client, in_doubt):
    text = client.get("/metrics", headers={"Authorization": "Bearer a-long-random-key"}).text
    assert 'roundsman_deliveries{state="unknown"} 1.0' in text
