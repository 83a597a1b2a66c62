"""The Twilio look-alike: spoken to by the real twilio library, and at the wire."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client

from tests.servers.sandbox import RunningSandbox, running_sandbox
from worker.sandbox import SANDBOX_ACCOUNT_SID, SANDBOX_AUTH_TOKEN
from worker.sandbox.sandbox import Sandbox

TO, FROM = "+18042221111", "+15005550006"


class ToSandbox(HttpClient):
    """Sends what the library asks for to the sandbox in place of api.twilio.com."""

    def __init__(self, running: RunningSandbox) -> None:
        super().__init__(None, False, None)
        self.running = running

    def request(
        self, method: str, url: str, params=None, data=None, headers=None, auth=None, **_: Any
    ) -> Response:
        assert url.startswith("https://api.twilio.com/")
        answer = self.running.http.request(
            method, url.removeprefix("https://api.twilio.com"), params=params, data=data, auth=auth,
            headers={name: value for name, value in (headers or {}).items() if name != "Content-Type"},
        )  # fmt: skip
        return Response(answer.status_code, answer.text, answer.headers)


@pytest.fixture
def sandbox(module_sandbox) -> RunningSandbox:
    module_sandbox.sandbox.inbox.clear()
    module_sandbox.sandbox.tries.clear()
    return module_sandbox


@pytest.fixture
def twilio(sandbox) -> Client:
    return Client(SANDBOX_ACCOUNT_SID, SANDBOX_AUTH_TOKEN, http_client=ToSandbox(sandbox))


def post(sandbox: RunningSandbox, **fields: Any) -> httpx.Response:
    return sandbox.http.post(sandbox.messages_url, data={"To": TO, "From": FROM, "Body": "Hello", **fields})


def test_a_message_is_queued_and_arrives(sandbox, twilio):
    message = twilio.messages.create(to=TO, from_=FROM, body="Hello", status_callback="http://127.0.0.1:9/c")
    assert (message.sid[:2], len(message.sid), message.status) == ("SM", 34, "queued")
    assert (message.num_segments, message.direction, message.date_sent) == ("1", "outbound-api", None)
    assert abs(message.date_created - datetime.now(UTC)) < timedelta(seconds=10)
    (sms,) = sandbox.arrived()
    assert (sms["id"], sms["to"], sms["from"], sms["body"]) == (message.sid, TO, FROM, "Hello")


def test_a_messaging_service_stands_in_for_a_sender(twilio):
    message = twilio.messages.create(to=TO, messaging_service_sid="MG" + "1" * 32, body="Hello")
    assert (message.status, message.from_, message.messaging_service_sid) == (
        "accepted",
        None,
        "MG" + "1" * 32,
    )


def test_media_make_it_an_mms(sandbox, twilio):
    urls = ["https://example.com/a.png", "https://example.com/b.png"]
    message = twilio.messages.create(to=TO, from_=FROM, media_url=urls)
    assert (message.sid[:2], message.num_media) == ("MM", "2")
    assert sandbox.arrived()[0]["media"] == urls


def test_segments_are_counted_by_encoding(twilio):
    counts = [
        twilio.messages.create(to=TO, from_=FROM, body=b).num_segments
        for b in ("a" * 160, "a" * 161, "ł" * 71)
    ]
    assert counts == ["1", "2", "2"]


def test_a_message_can_be_fetched(twilio):
    sid = twilio.messages.create(to=TO, from_=FROM, body="Hello").sid
    message = twilio.messages(sid).fetch()
    assert (message.sid, message.body, message.status) == (sid, "Hello", "sent")
    assert message.date_sent is not None


def test_a_message_nobody_knows_is_not_found(twilio):
    with pytest.raises(TwilioRestException) as refusal:
        twilio.messages("SM" + "0" * 32).fetch()
    assert (refusal.value.status, refusal.value.code) == (404, 20404)


def test_messages_are_listed_by_recipient_and_time(twilio):
    sids = [twilio.messages.create(to=TO, from_=FROM, body=str(n)).sid for n in range(3)]
    twilio.messages.create(to="+18042222222", from_=FROM, body="other")
    now = datetime.now(UTC)
    minute = timedelta(minutes=1)
    assert [m.sid for m in twilio.messages.list(to=TO)] == sids[::-1]
    assert [m.sid for m in twilio.messages.list(to=TO, date_sent_after=now - minute)] == sids[::-1]
    assert twilio.messages.list(to=TO, date_sent_after=now + minute) == []
    assert twilio.messages.list(to=TO, date_sent_before=now - minute) == []
    assert len(twilio.messages.list(from_=FROM, date_sent=now.date())) == 4


def test_a_long_list_comes_in_pages_that_arrivals_do_not_shift(twilio):
    sids = [twilio.messages.create(to=TO, from_=FROM, body=str(n)).sid for n in range(5)]
    seen = []
    for message in twilio.messages.stream(to=TO, page_size=2):
        seen.append(message.sid)
        twilio.messages.create(to=TO, from_=FROM, body="arrives meanwhile")
    assert seen == sids[::-1]


def test_a_page_has_twilio_s_envelope(sandbox):
    for _ in range(3):
        post(sandbox)
    page = sandbox.http.get(sandbox.messages_url, params={"To": TO, "PageSize": 2}).json()
    assert (page["page"], page["page_size"], page["start"], page["end"], len(page["messages"])) == (
        0,
        2,
        0,
        1,
        2,
    )
    last = sandbox.http.get(page["next_page_uri"]).json()
    assert (last["page"], len(last["messages"]), last["next_page_uri"]) == (1, 1, None)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"To": ""}, 21604),
        ({"From": ""}, 21603),
        ({"Body": ""}, 21602),
        ({"Body": "x" * 1601}, 21617),
        ({"To": "not a number"}, 21211),
        ({"To": "+1804"}, 21211),
        ({"From": "?"}, 21212),
        ({"StatusCallback": "not a URL"}, 21609),
        ({"MediaUrl": "file:///etc/passwd"}, 21620),
        ({"MediaUrl": ["https://example.com/a.png"] * 11}, 21623),
        # Twilio's magic numbers
        ({"From": "+15005550001"}, 21212),
        ({"From": "+15005550007"}, 21606),
        ({"From": "+15005550008"}, 21611),
        ({"To": "+15005550001"}, 21211),
        ({"To": "+15005550002"}, 21612),
        ({"To": "+15005550003"}, 21408),
        ({"To": "+15005550004"}, 21610),
        ({"To": "+15005550009"}, 21614),
    ],
    ids=str,
)
def test_what_twilio_refuses_is_refused_with_its_code(sandbox, fields, code):
    answer = post(sandbox, **fields)
    error = answer.json()
    assert (answer.status_code, error["status"], error["code"]) == (400, 400, code)
    assert error["more_info"] == f"https://www.twilio.com/docs/errors/{code}"
    assert "{" not in error["message"]
    assert sandbox.arrived() == []


def test_the_longest_body_is_accepted(sandbox):
    assert post(sandbox, Body="x" * 1600).status_code == 201


@pytest.mark.parametrize("auth", [("AC" + "0" * 32, "sandbox"), (SANDBOX_ACCOUNT_SID, "wrong"), None])
def test_wrong_credentials_are_refused_as_twilio_does(sandbox, auth):
    answer = httpx.post(sandbox.where.url + sandbox.messages_url, data={"To": TO}, auth=auth)
    assert answer.status_code == 401
    assert answer.json() == {
        "code": 20003, "message": "Authenticate", "more_info": "https://www.twilio.com/docs/errors/20003",
        "status": 401,
    }  # fmt: skip


def test_another_account_in_the_url_is_refused(sandbox):
    url = sandbox.messages_url.replace(SANDBOX_ACCOUNT_SID, "AC" + "0" * 32)
    assert sandbox.http.post(url, data={"To": TO}).json()["code"] == 20003


def test_an_unknown_resource_and_method_are_refused_as_twilio_does(sandbox):
    unknown = sandbox.http.get("/2010-04-01/Accounts/AC1/Calls.json")
    assert (unknown.status_code, unknown.json()["code"]) == (404, 20404)
    assert sandbox.http.put(sandbox.messages_url).json()["code"] == 20004


def test_own_credentials_replace_the_well_known_ones():
    own = Sandbox(account_sid="AC" + "7" * 32, auth_token="secret")
    with running_sandbox(own) as running:
        assert post(running).status_code == 201
        wrong = httpx.post(
            running.where.url + running.messages_url, auth=(SANDBOX_ACCOUNT_SID, SANDBOX_AUTH_TOKEN)
        )
        assert wrong.status_code == 401


def test_later_is_refused_twice_for_each_message_and_then_accepted(sandbox):
    for body in ("one", "two"):
        answers = [post(sandbox, To="+15005550011", Body=body) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [429, 429, 201]
        assert (answers[0].headers["retry-after"], answers[0].json()["code"]) == ("1", 20429)
    assert len(sandbox.arrived()) == 2


def test_always_later_is_never_accepted(sandbox):
    assert {post(sandbox, To="+15005550012").status_code for _ in range(4)} == {429}
    assert sandbox.arrived() == []


def test_slow_is_taken_at_once_and_answered_late(sandbox):
    with pytest.raises(httpx.ReadTimeout):
        sandbox.http.post(
            sandbox.messages_url, data={"To": "+15005550013", "From": FROM, "Body": "x"}, timeout=0.1
        )
    assert len(sandbox.arrived()) == 1
    assert post(sandbox, To="+15005550013").status_code == 201


def test_dropped_is_taken_but_the_connection_is_cut_before_the_answer(sandbox):
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        post(sandbox, To="+15005550014")
    assert [sms["to"] for sms in sandbox.arrived()] == ["+15005550014"]
