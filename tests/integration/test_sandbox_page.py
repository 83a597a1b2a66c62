"""The page, its JSON, and what keeps a message's content away from both."""

import re
import smtplib
from email.message import EmailMessage
from urllib.parse import unquote

import httpx
import pytest

from messages.settings import Settings
from tests.servers.sandbox import RunningSandbox, running_sandbox
from worker.sandbox.behaviours import BEHAVIOURS
from worker.sandbox.sandbox import Sandbox

EVIL = '<p>Hello</p><script>alert(1)</script><img src="https://tracker.example/p.gif">'
UNICODE_NAME = "Rechnung № 7 — Übergabe 納車.pdf"


@pytest.fixture
def sandbox(module_sandbox) -> RunningSandbox:
    module_sandbox.http.delete("/sandbox/api/messages")
    return module_sandbox


def send_email(sandbox: RunningSandbox, to: str = "pat@example.com", message_id: str = "<1@x>") -> str:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"], mail["Message-ID"] = "sam@example.com", to, "Hello", message_id
    mail.set_content("Plain text\n")
    mail.add_alternative(EVIL, subtype="html")
    mail.add_attachment(b"<script>alert(1)</script>", maintype="text", subtype="html", filename=UNICODE_NAME)
    with smtplib.SMTP("127.0.0.1", sandbox.where.smtp_port, timeout=10) as client:
        client.send_message(mail)
    return f"/sandbox/api/messages/{sandbox.arrived()[0]['id']}"


def send_sms(sandbox: RunningSandbox, to: str = "+18042221111") -> None:
    fields = {"To": to, "From": "+15005550006", "Body": "Ładne auto"}
    assert sandbox.http.post(sandbox.messages_url, data=fields).status_code == 201


def policy(answer: httpx.Response) -> dict[str, str]:
    directives = answer.headers["content-security-policy"].split(";")
    return {name: rest for name, _, rest in (d.strip().partition(" ") for d in directives)}


def test_healthz_answers_when_both_sides_are_up(sandbox):
    assert sandbox.http.get("/healthz").status_code == 200


def test_the_root_leads_to_the_page(sandbox):
    answer = sandbox.http.get("/", follow_redirects=True)
    assert (answer.url.path, answer.headers["content-type"]) == ("/sandbox", "text/html; charset=utf-8")


def test_the_page_loads_nothing_from_elsewhere(sandbox):
    page = sandbox.http.get("/sandbox")
    files = re.findall(r'(?:src|href)="(/sandbox/page/[^"]+)"', page.text)
    texts = [page.text, *(sandbox.http.get(file).raise_for_status().text for file in files)]
    assert len(files) >= 4
    assert not [
        text for text in texts if re.search(r"""(?:src|href)=["']https?:|@import|url\(["']?https?:""", text)
    ]


def test_every_module_and_image_the_page_s_files_name_is_served(sandbox):
    named = set()
    for file in (
        "sandbox.js",
        "arrivals.js",
        "mail.js",
        "phone.js",
        "addresses.js",
        "sandbox.css",
        "phone.css",
    ):
        text = sandbox.http.get(f"/sandbox/page/{file}").raise_for_status().text
        named |= set(re.findall(r'from "\./([^"]+)"|url\("([^"]+)"\)', text))
    for module, image in named:
        assert sandbox.http.get(f"/sandbox/page/{module or image}").status_code == 200, (module, image)


def test_the_page_runs_its_own_scripts_only(sandbox):
    rules = policy(sandbox.http.get("/sandbox"))
    assert (rules["default-src"], rules["script-src"], rules["style-src"]) == ("'none'", "'self'", "'self'")
    assert rules["frame-ancestors"] == "'none'"


def test_the_page_s_scripts_never_write_html(sandbox):
    for file in ("dom.js", "sandbox.js", "arrivals.js", "mail.js", "phone.js", "addresses.js"):
        text = sandbox.http.get(f"/sandbox/page/{file}").text
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text), file


def test_the_frame_for_html_may_neither_run_scripts_nor_reach_the_page(sandbox):
    script = sandbox.http.get("/sandbox/page/mail.js").text
    (allowed,) = re.findall(r'setAttribute\("sandbox", "([^"]*)"\)', script)
    assert set(allowed.split()) <= {"allow-popups", "allow-popups-to-escape-sandbox"}


def test_an_e_mail_s_html_can_run_and_load_nothing_even_when_opened_by_itself(sandbox):
    answer = sandbox.http.get(f"{send_email(sandbox)}/html")
    rules = policy(answer)
    assert EVIL in answer.text  # shown as it came: the headers are what makes it harmless
    assert (rules["default-src"], rules["img-src"]) == ("'none'", "data:")
    assert "script-src" not in rules
    assert set(rules["sandbox"].split()) == {"allow-popups", "allow-popups-to-escape-sandbox"}
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_an_e_mail_is_shown_with_its_parts(sandbox):
    url = send_email(sandbox)
    mail = sandbox.http.get(url).json()
    assert (mail["subject"], mail["text"], mail["hasHtml"], mail["copies"]) == (
        "Hello",
        "Plain text\n",
        True,
        1,
    )
    assert (mail["mailFrom"], mail["recipients"]) == ("sam@example.com", ["pat@example.com"])
    assert ["Message-ID", "<1@x>"] in mail["headers"]
    assert mail["attachments"] == [{"filename": UNICODE_NAME, "type": "text/html", "size": 25}]
    raw = sandbox.http.get(f"{url}/raw")
    assert (raw.headers["content-type"], b"Message-ID: <1@x>" in raw.content) == (
        "text/plain; charset=utf-8",
        True,
    )


def test_an_attachment_is_downloaded_under_its_unicode_name_and_never_shown(sandbox):
    answer = sandbox.http.get(f"{send_email(sandbox)}/attachments/0")
    kind, _, name = answer.headers["content-disposition"].partition("; filename*=UTF-8''")
    assert (kind, unquote(name), answer.content) == ("attachment", UNICODE_NAME, b"<script>alert(1)</script>")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in policy(answer)


def test_an_sms_is_shown_with_its_encoding_and_segments(sandbox):
    send_sms(sandbox)
    (sms,) = sandbox.arrived()
    assert (sms["body"], sms["encoding"], sms["segments"]) == ("Ładne auto", "UCS-2", 1)
    assert sandbox.http.get(f"/sandbox/api/messages/{sms['id']}").json() == sms


def test_an_e_mail_that_arrived_twice_is_flagged_and_counted(sandbox):
    for _ in range(2):
        send_email(sandbox)
    send_email(sandbox, message_id="<2@x>")
    send_sms(sandbox)
    assert [message["copies"] for message in sandbox.arrived()] == [1, 1, 2, 2]
    assert sandbox.http.get("/sandbox/api/counts").json() == {
        "sms": 1, "email": 3, "kept": 4, "distinctMessageIds": 2, "duplicates": 1, "smsDuplicates": 0,
    }  # fmt: skip


def test_the_list_is_filtered_and_limited(sandbox):
    send_email(sandbox, "pat@example.com")
    send_email(sandbox, "chris@example.com")
    send_sms(sandbox)

    def found(**query: str) -> list[str]:
        return [m["to"] for m in sandbox.http.get("/sandbox/api/messages", params=query).json()]

    assert found(to="chris") == ["chris@example.com"]
    assert found(to="(804) 222") == ["+18042221111"]
    assert found(channel="email", limit="1") == ["chris@example.com"]


def test_a_list_that_did_not_change_is_not_sent_again(sandbox):
    send_sms(sandbox)
    first = sandbox.http.get("/sandbox/api/messages")
    same = {"if-none-match": first.headers["etag"]}
    assert sandbox.http.get("/sandbox/api/messages", headers=same).status_code == 304
    send_sms(sandbox)
    assert len(sandbox.http.get("/sandbox/api/messages", headers=same).json()) == 2


def test_clearing_forgets_everything(sandbox):
    url = send_email(sandbox)
    assert sandbox.http.delete("/sandbox/api/messages").status_code == 204
    assert sandbox.arrived() == []
    answer = sandbox.http.get(url)
    assert (answer.status_code, "no such message" in answer.json()["error"]) == (404, True)


@pytest.mark.parametrize("path", ["EM999", "EM999/html", "EM999/raw", "EM999/attachments/0"])
def test_what_is_not_there_is_said_to_be_missing(sandbox, path):
    answer = sandbox.http.get(f"/sandbox/api/messages/{path}")
    assert (answer.status_code, answer.json()["error"].startswith("no such")) == (404, True)


def test_an_attachment_beyond_the_last_is_said_to_be_missing(sandbox):
    answer = sandbox.http.get(f"{send_email(sandbox)}/attachments/1")
    assert (answer.status_code, answer.json()["error"]) == (
        404,
        "this e-mail has 1 attachments, counted from 0",
    )


def test_every_address_that_misbehaves_is_told_to_the_page(sandbox):
    told = sandbox.http.get("/sandbox/api/about").json()["behaviours"]
    assert [(b["channel"], b["role"], b["address"]) for b in told] == [
        (b.channel, b.role, b.address) for b in BEHAVIOURS
    ]


def test_the_example_names_the_intake_of_the_settings():
    public, keys = "https://messages.example/x", ("a-long-random-key",)
    settings = Settings(_env_file=None, port=8123, public_url=public, api_keys=keys)
    with running_sandbox(Sandbox.of(settings)) as running:
        about = running.http.get("/sandbox/api/about").json()
        images = policy(running.http.get("/sandbox"))["img-src"]
    assert (about["intakeUrl"], about["intakeNeedsKey"]) == ("http://127.0.0.1:8123", True)
    assert images.split()[2:] == ["http://127.0.0.1:8123", "https://messages.example"]


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "", "127.0.0.1:80:80"]
)
@pytest.mark.parametrize(
    "path", ["/sandbox", "/sandbox/api/messages", "/2010-04-01/Accounts/AC1/Messages.json"]
)
def test_another_name_for_this_machine_is_not_answered(sandbox, host, path):
    assert sandbox.http.get(path, headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8025", "127.0.0.1:8025", "[::1]:8025"])
def test_this_machine_s_own_names_are_answered(sandbox, host):
    assert sandbox.http.get("/sandbox", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin",
    ["https://elsewhere.example", "null", "http://127.0.0.1", "http://localhost:3000", "http://me@{host}"],
)
def test_a_page_elsewhere_is_refused_on_every_path(sandbox, origin):
    origin = origin.format(host=sandbox.http.base_url.netloc.decode())
    form = {"To": "+18042221111", "From": "+15005550006", "Body": "Hello"}
    tried = [
        sandbox.http.post(sandbox.messages_url, data=form, headers={"Origin": origin}),
        sandbox.http.delete("/sandbox/api/messages", headers={"Origin": origin}),
        sandbox.http.get("/sandbox/api/messages", headers={"Origin": origin}),
        sandbox.http.get("/sandbox", headers={"Origin": origin}),
    ]
    assert {answer.status_code for answer in tried} == {403}
    assert sandbox.arrived() == []


def test_our_own_page_may_forget_all(sandbox):
    origin = f"http://{sandbox.http.base_url.netloc.decode()}"
    assert sandbox.http.delete("/sandbox/api/messages", headers={"Origin": origin}).status_code == 204
