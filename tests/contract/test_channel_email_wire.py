"""E-mail against a real SMTP server: what arrives, to which addresses, and what its answers mean."""

import asyncio
from typing import Any

import pytest

from messages.errors import AttachmentError
from messages.outcomes import FailureKind, Sent
from messages.outgoing import Attachment, RenderedEmail
from tests.contract.email_wire import NOW, against, email, sent
from tests.servers.smtp import SmtpServer


def test_the_e_mail_arrives_whole_and_its_message_id_is_the_providers_id():
    server = SmtpServer()
    outcome = sent(email(reply_to="bob@dealer.example"), server)
    assert outcome == Sent("<d-1@dealer.example>")
    [mail] = server.mails
    assert (mail.sender, mail.recipient) == ("messages@dealer.example", "ann@customer.example")
    message = mail.message
    assert message["Message-ID"] == "<d-1@dealer.example>"
    assert message["Subject"] == "Grüße"
    assert message["From"] == "Auto Haus <messages@dealer.example>"
    assert message["Reply-To"] == "bob@dealer.example"
    assert message["Date"].datetime == NOW
    body = message.get_body(("plain",))
    assert body is not None
    assert body.get_content().splitlines() == ["Hello", ".", ".. dots", "From here"]


@pytest.mark.parametrize(
    "recipient", ['"john doe"@customer.example', '"a@b"@customer.example', '"x>y"@c.example']
)
def test_quoted_local_part_reaches_the_server_and_the_header_as_it_is(recipient):
    server = SmtpServer()
    assert isinstance(sent(email(recipient=recipient, reply_to=recipient), server), Sent)
    [mail] = server.mails
    assert mail.recipient == recipient
    assert [mail.message[name].addresses[0].addr_spec for name in ("To", "Reply-To")] == [recipient] * 2


def test_a_large_attachment_arrives_byte_for_byte():
    content = bytes(range(256)) * 4000
    server = SmtpServer()
    attachment = Attachment("a-1", "Übersicht.bin", None, content=content)
    assert isinstance(sent(email(attachments=(attachment,)), server), Sent)
    [part] = server.mails[0].message.iter_attachments()
    assert part.get_filename() == "Übersicht.bin"
    assert part.get_content() == content


def test_attachments_are_had_before_the_server_is_spoken_to():
    async def fetch(_: object) -> list[Any]:
        raise AttachmentError("The attachment is gone", temporary=False)

    async def fetch_later(_: object) -> list[Any]:
        raise AttachmentError("The attachment is not there yet", temporary=True)

    attachment = Attachment("a-1", None, None, url="https://files.example/a")
    server = SmtpServer()
    gone = sent(email(attachments=(attachment,)), server, fetch=fetch)
    later = sent(email(attachments=(attachment,)), server, fetch=fetch_later)
    assert (gone.kind, gone.reason) == (FailureKind.PERMANENT, "The attachment is gone")
    assert later.kind is FailureKind.RETRYABLE
    assert server.total == 0


def test_an_e_mail_larger_than_the_server_takes_is_refused_before_it_is_sent():
    server = SmtpServer(data_size_limit=1000)
    outcome = sent(email(content=RenderedEmail("Hi", "x" * 5000, None)), server)
    assert outcome.kind is FailureKind.PERMANENT
    assert outcome.code.startswith("552")
    assert server.mails == []


# Addresses


def test_the_deliverys_own_sender_goes_before_the_default_on_header_and_envelope():
    server = SmtpServer()
    assert sent(email(sender="Bob <bob@autohaus.example>"), server) == Sent("<d-1@autohaus.example>")
    assert server.mails[0].sender == "bob@autohaus.example"
    assert server.mails[0].message["From"] == "Bob <bob@autohaus.example>"


def test_a_domain_outside_ascii_is_sent_as_idna():
    server = SmtpServer(enable_SMTPUTF8=False)
    outcome = sent(email("ann@Bücher.example", sender="rep@straße.example"), server)
    assert outcome == Sent("<d-1@xn--strae-oqa.example>")
    assert server.mails[0].recipient == "ann@xn--bcher-kva.example"


def test_a_local_part_outside_ascii_is_sent_by_smtputf8():
    server = SmtpServer()
    assert isinstance(sent(email("jürgen@customer.example"), server), Sent)
    assert server.mails[0].recipient == "jürgen@customer.example"
    assert "To: jürgen@customer.example\r\n".encode() in server.mails[0].data


def test_a_local_part_outside_ascii_is_permanent_where_the_server_lacks_smtputf8():
    outcome = sent(email("jürgen@customer.example"), SmtpServer(enable_SMTPUTF8=False))
    assert outcome.kind is FailureKind.PERMANENT
    assert "SMTPUTF8" in outcome.reason
    assert "jürgen" not in outcome.reason


@pytest.mark.parametrize(
    "address",
    [
        "nobody",
        "",
        "a@b@c",
        "a@b>\r\nRCPT TO:<c@d",
        "a b@c.example",
        "a@exa mple",
        "a@-ü-.example",
        "<>",
        "a@b\r\n",
        "a@b, c@d",
        "Ann <a@b> <c@d>",
    ],
)
def test_what_is_no_address_is_permanent_and_reaches_no_server(address):
    server = SmtpServer()
    outcome = sent(email(address), server)
    assert outcome.kind is FailureKind.PERMANENT
    assert "recipient" in outcome.reason
    assert server.total == 0


# Answers


@pytest.mark.parametrize(
    ("name", "kind", "code", "words"),
    [
        ("refused", FailureKind.PERMANENT, "550 5.1.1", "does not exist"),
        ("full", FailureKind.PERMANENT, "552 5.2.2", "full"),
        ("busy", FailureKind.RETRYABLE, "451 4.3.2", "just now"),
        ("unavailable", FailureKind.RETRYABLE, "421 4.3.0", "not available"),
        ("spam", FailureKind.PERMANENT, "554 5.7.1", "spam"),
        ("greylisted", FailureKind.RETRYABLE, "451 4.7.1", "later"),
    ],
)
def test_a_reply_is_definite_and_becomes_a_sentence_with_its_code(name, kind, code, words):
    outcome = sent(email(f"{name}@customer.example"))
    assert (outcome.kind, outcome.code) == (kind, code)
    assert words in outcome.reason
    assert code in outcome.reason


def test_silence_before_the_text_is_retryable_and_within_it_ambiguous():
    before = sent(email("silent@customer.example"), timeout=0.3)
    within = sent(email("hung@customer.example"), timeout=0.3)
    assert before.kind is FailureKind.RETRYABLE
    assert within.kind is FailureKind.AMBIGUOUS


def test_a_server_that_says_no_more_after_the_text_is_ambiguous_whatever_it_mumbles():
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mx\r\n")
        while line := await reader.readline():
            if line.startswith(b"DATA"):
                writer.write(b"354 go\r\n")
                await reader.readuntil(b"\r\n.\r\n")
                writer.write(b"what was that?\r\n")
            else:
                writer.write(b"250 ok\r\n")

    assert against(script).kind is FailureKind.AMBIGUOUS
