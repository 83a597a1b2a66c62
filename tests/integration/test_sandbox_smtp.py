"""The sandbox's SMTP server, spoken to by the standard library's client."""

import smtplib
from collections.abc import Iterator

import pytest

from tests.servers.sandbox import RunningSandbox, running_sandbox
from worker.sandbox.smtp import MAX_BYTES

SENDER = "sam@example.com"
MAIL = "Subject: Hello\r\nMessage-ID: <1@example.com>\r\n\r\nHi\r\n"


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox() as running:
        yield running


@pytest.fixture
def client(sandbox) -> Iterator[smtplib.SMTP]:
    client = smtplib.SMTP("127.0.0.1", sandbox.where.smtp_port, timeout=10)
    yield client
    client.close()


def raw_of(sandbox: RunningSandbox, index: int = 0) -> bytes:
    return sandbox.http.get(f"/sandbox/api/messages/{sandbox.arrived()[index]['id']}/raw").content


def test_an_e_mail_to_anyone_arrives(sandbox, client):
    client.sendmail(SENDER, ["pat@example.com"], MAIL)
    (email,) = sandbox.arrived()
    assert (email["channel"], email["to"], email["from"]) == ("email", "pat@example.com", SENDER)
    assert (email["subject"], email["messageId"]) == ("Hello", "<1@example.com>")


def test_it_says_what_it_can(client):
    client.ehlo()
    assert client.esmtp_features["size"] == str(MAX_BYTES)
    assert {"8bitmime", "smtputf8", "auth"} <= set(client.esmtp_features)


def test_any_credentials_do(sandbox, client):
    client.login("anyone", "anything")
    client.sendmail(SENDER, ["pat@example.com"], MAIL)
    assert len(sandbox.arrived()) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"Subject: dots\r\n\r\n.\r\n..\r\n.a\r\nends.\r\n.\r\nmore.\r\n",
        b"Subject: one\r\n\r\nno dots here\r\n",
        b".\r\n",
        b"Subject: long\r\n\r\n" + b"a line without a dot\r\n" * 20_000 + b"end.\r\n",
        b"Subject: widest\r\n\r\n" + b"x" * 998 + b"\r\n",
        "Subject: Grüße\r\n\r\n納車\r\n".encode(),
    ],
    ids=["dots", "no-dots", "only-a-dot", "long", "widest-line", "utf-8"],
)
def test_what_arrives_is_what_was_sent_to_the_byte(sandbox, client, content):
    client.sendmail(SENDER, ["pat@example.com"], content, ["BODY=8BITMIME"])
    assert raw_of(sandbox) == content


def test_an_empty_e_mail_is_taken(sandbox, client):
    client.ehlo()
    client.mail(SENDER)
    client.rcpt("pat@example.com")
    client.docmd("DATA")
    client.send(b".\r\n")
    assert client.getreply()[0] == 250
    assert raw_of(sandbox) == b""


def test_a_unicode_address_arrives(sandbox, client):
    client.sendmail("sam@example.com", ["żaneta@example.pl"], MAIL, ["SMTPUTF8"])
    assert sandbox.arrived()[0]["to"] == "żaneta@example.pl"


def test_a_quoted_address_arrives(sandbox, client):
    client.sendmail(SENDER, ['"pat morgan"@example.com'], MAIL)
    assert sandbox.arrived()[0]["to"] == '"pat morgan"@example.com'


def test_too_large_an_e_mail_is_refused_and_the_connection_lives_on(sandbox, client):
    content = b"Subject: x\r\n\r\n" + b"x" * 900 + b"\r\n"
    too_large = content + (b"y" * 900 + b"\r\n") * (MAX_BYTES // 902)
    client.ehlo()
    client.mail(SENDER)
    client.rcpt("pat@example.com")
    assert client.data(too_large)[0] == 552
    client.sendmail(SENDER, ["pat@example.com"], content)
    assert len(sandbox.arrived()) == 1


def test_a_size_said_beforehand_is_refused_at_once(client):
    client.ehlo()
    assert client.mail(SENDER, [f"SIZE={MAX_BYTES + 1}"])[0] == 552


def test_too_long_a_line_is_refused(sandbox, client):
    with pytest.raises(smtplib.SMTPDataError) as refusal:
        client.sendmail(SENDER, ["pat@example.com"], "Subject: x\r\n\r\n" + "x" * 999)
    assert refusal.value.smtp_code == 500
    assert sandbox.arrived() == []


def test_the_mailbox_that_does_not_exist_is_refused_for_good(sandbox, client):
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refusal:
        client.sendmail(SENDER, ["refused@sandbox.test"], MAIL)
    code, text = refusal.value.recipients["refused@sandbox.test"]
    assert (code, text[:5]) == (550, b"5.1.1")
    assert sandbox.arrived() == []


def test_later_is_refused_twice_for_each_message_and_then_accepted(sandbox, client):
    for message_id in ("<1@x>", "<2@x>"):
        mail = f"Subject: x\r\nMessage-ID: {message_id}\r\n\r\nHi"
        for _ in range(2):
            with pytest.raises(smtplib.SMTPDataError) as refusal:
                client.sendmail(SENDER, ["later@sandbox.test"], mail)
            assert refusal.value.smtp_code == 451
        client.sendmail(SENDER, ["later@sandbox.test"], mail)
    assert [email["messageId"] for email in sandbox.arrived()] == ["<2@x>", "<1@x>"]


def test_always_later_is_never_accepted(sandbox, client):
    for _ in range(4):
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refusal:
            client.sendmail(SENDER, ["always-later@sandbox.test"], MAIL)
        assert refusal.value.recipients["always-later@sandbox.test"][0] == 451
    assert sandbox.arrived() == []


def test_slow_is_taken_at_once_and_answered_late(sandbox):
    impatient = smtplib.SMTP("127.0.0.1", sandbox.where.smtp_port, timeout=0.1)
    with pytest.raises((TimeoutError, smtplib.SMTPServerDisconnected)):
        impatient.sendmail(SENDER, ["slow@sandbox.test"], MAIL)
    impatient.close()
    assert len(sandbox.arrived()) == 1
    with smtplib.SMTP("127.0.0.1", sandbox.where.smtp_port, timeout=10) as patient:
        assert patient.sendmail(SENDER, ["slow@sandbox.test"], MAIL) == {}
    assert [email["copies"] for email in sandbox.arrived()] == [2, 2]


def test_dropped_is_taken_but_the_connection_is_cut_before_the_answer(sandbox, client):
    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
        client.sendmail(SENDER, ["dropped@sandbox.test"], MAIL)
    assert [email["to"] for email in sandbox.arrived()] == ["dropped@sandbox.test"]


def test_bytes_that_are_no_text_do_not_spoil_the_list(sandbox, client):
    client.ehlo()
    client.putcmd("MAIL", f"FROM:<{SENDER}> SMTPUTF8")
    client.getreply()
    client.send(b"RCPT TO:<\xff@example.com>\r\n")
    client.getreply()
    client.data(b"Subject: \xff\r\nMessage-ID: \xff\r\n\r\n\xff\r\n")
    client.sendmail(SENDER, ["pat@example.com"], MAIL)
    assert [email["to"] for email in sandbox.arrived()] == [
        "pat@example.com",
        "\N{REPLACEMENT CHARACTER}@example.com",
    ]
