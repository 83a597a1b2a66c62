"""E-mail against a real SMTP server: log-in, TLS, addresses, kept connections, and what failures mean."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from messages.errors import AttachmentError
from messages.outcomes import FailureKind, Outcome, Sent
from messages.outgoing import Attachment, OutgoingEmail, RenderedEmail
from tests.servers import FreePermit, eventually
from tests.servers.smtp import SmtpServer, authority
from tests.servers.twilio import RawServer
from worker.channels.email import SmtpEmail
from worker.channels.fetch import AttachmentFetcher
from worker.channels.smtp_connect import Connector, parse_url
from worker.channels.smtp_pool import SmtpPool

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
CONTENT = RenderedEmail("Grüße", "Hello\n.\n.. dots\nFrom here", "<p>Hello</p>")

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


def email(recipient: str = "ann@customer.example", **changes: Any) -> OutgoingEmail:
    given = {
        "delivery_id": "d-1",
        "recipient": recipient,
        "sender": None,
        "reply_to": None,
        "content": CONTENT,
    }
    return OutgoingEmail(**{**given, **changes})


def channel(url: str, **options: Any) -> SmtpEmail:
    given: dict[str, Any] = {
        "timeout": 3.0,
        "clock": lambda: int(NOW.timestamp() * 1000),
        "fetch": AttachmentFetcher().fetch_all,
    }
    return SmtpEmail(url, **{"default_sender": "Auto Haus <messages@dealer.example>", **given, **options})


def run(server: SmtpServer, scenario: Callable[[SmtpEmail], Awaitable[Any]], **options: Any) -> Any:
    async def main() -> Any:
        async with server:
            smtp = channel(options.pop("url", server.url), **options)
            try:
                return await scenario(smtp)
            finally:
                await smtp.close()
                await eventually(lambda: server.open == 0)

    return asyncio.run(main())


def sent(message: OutgoingEmail, server: SmtpServer | None = None, **options: Any) -> Outcome:
    return run(server or SmtpServer(), lambda smtp: smtp.send(message, FreePermit()), **options)


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


def test_an_e_mail_larger_than_the_server_takes_is_refused_before_it_is_sent():
    server = SmtpServer(data_size_limit=1000)
    outcome = sent(email(content=RenderedEmail("Hi", "x" * 5000, None)), server)
    assert outcome.kind is FailureKind.PERMANENT
    assert outcome.code.startswith("552")
    assert server.mails == []


def test_a_connection_is_kept_for_the_next_e_mail_also_after_a_refusal():
    server = SmtpServer()

    async def scenario(smtp: SmtpEmail) -> None:
        for name in ("ann", "refused", "spam", "bob", "busy", "eve"):
            await smtp.send(email(f"{name}@customer.example"), FreePermit())

    run(server, scenario)
    assert [mail.recipient.partition("@")[0] for mail in server.mails] == ["ann", "bob", "eve"]
    assert server.total == 1


def test_a_kept_connection_that_the_server_closed_is_replaced_without_a_failure():
    server = SmtpServer()

    async def scenario(smtp: SmtpEmail) -> None:
        await asyncio.gather(*(smtp.send(email(), FreePermit()) for _ in range(4)))
        server.drop_all()
        assert isinstance(await smtp.send(email("bob@customer.example"), FreePermit()), Sent)

    run(server, scenario)
    assert len(server.mails) == 5


@pytest.mark.parametrize("farewell", [b"421 4.4.2 idle for too long\r\n", b""], ids=["421", "silent"])
def test_a_kept_connection_found_dead_at_mail_is_replaced_once_and_nothing_is_lost(farewell):
    mails = 0

    async def one_mail_a_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal mails
        writer.write(b"220 mx\r\n")
        begun = 0
        while line := await reader.readline():
            if line.startswith(b"MAIL"):
                begun += 1
                if begun > 1:
                    writer.write(farewell)
                    return
            if line.startswith(b"DATA"):
                writer.write(b"354 go\r\n")
                await reader.readuntil(b"\r\n.\r\n")
                mails += 1
            writer.write(b"250 ok\r\n")

    async def main() -> int:
        async with RawServer(one_mail_a_connection) as server:
            smtp = channel(server.url.replace("http", "smtp"))
            for _ in range(3):
                assert isinstance(await smtp.send(email(), FreePermit()), Sent)
            await smtp.close()
            return server.connections

    assert asyncio.run(main()) == 3
    assert mails == 3


@pytest.mark.parametrize(
    ("greeting", "kind"),
    [
        (b"554 no service for you\r\n", FailureKind.PERMANENT),
        (b"421 going down\r\n", FailureKind.RETRYABLE),
        (b"", FailureKind.RETRYABLE),
    ],
)
def test_a_server_that_lets_nobody_in_is_classified_by_its_greeting(greeting, kind):
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)

    async def main() -> Outcome:
        async with RawServer(script) as server:
            smtp = channel(server.url.replace("http", "smtp"))
            outcome = await smtp.send(email(), FreePermit())
            await smtp.close()
            return outcome

    assert asyncio.run(main()).kind is kind


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

    async def main() -> Outcome:
        async with RawServer(script) as server:
            smtp = channel(server.url.replace("http", "smtp"))
            outcome = await smtp.send(email(), FreePermit())
            await smtp.close()
            return outcome

    assert asyncio.run(main()).kind is FailureKind.AMBIGUOUS


@pytest.mark.parametrize("way", ["tls", "starttls"])
def test_tls_with_a_certificate_of_a_trusted_authority_is_used_also_to_log_in(way):
    server_context, client_context = authority()
    server = SmtpServer(credentials=("us:er", "p@ss"), **{way: server_context})
    scheme = "smtps" if way == "tls" else "smtp"

    async def main() -> Outcome:
        async with server:
            url = f"{scheme}://us%3Aer:p%40ss@localhost:{server.port}"
            smtp = channel(url, tls_context=client_context)
            outcome = await smtp.send(email(), FreePermit())
            await smtp.close()
            await eventually(lambda: server.open == 0)
            return outcome

    assert isinstance(asyncio.run(main()), Sent)
    assert len(server.mails) == 1


@pytest.mark.parametrize("way", ["tls", "starttls"])
def test_a_certificate_nobody_vouches_for_is_retryable_and_nothing_was_sent(way):
    server_context, _ = authority()
    _, other_client = authority()
    server = SmtpServer(**{way: server_context})
    outcome = sent(email(), server, tls_context=other_client)
    assert outcome.kind is FailureKind.RETRYABLE
    assert "certificate" in outcome.reason
    assert server.mails == []


def test_credentials_are_never_sent_in_the_clear():
    server = SmtpServer(credentials=("user", "pass"))
    outcome = sent(email(), server)
    assert outcome.kind is FailureKind.RETRYABLE
    assert "STARTTLS" in outcome.reason
    assert server.mails == []


@pytest.mark.parametrize("reply", ["535 5.7.8 bad credentials", "454 4.7.0 try later"])
def test_a_refused_log_in_is_tried_again_for_it_says_nothing_of_the_email(reply):
    server_context, client_context = authority()
    server = SmtpServer(tls=server_context, credentials=("user", "secret"))
    server.login_reply = reply
    outcome = sent(email(), server, tls_context=client_context)
    assert outcome.kind is FailureKind.RETRYABLE
    assert outcome.provider_trouble
    assert "secret" not in repr(outcome)
    assert "SMTP_URL" in outcome.reason or reply.startswith("454")


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


def test_a_large_attachment_arrives_byte_for_byte():
    content = bytes(range(256)) * 4000
    server = SmtpServer()
    attachment = Attachment("a-1", "Übersicht.bin", None, content=content)
    assert isinstance(sent(email(attachments=(attachment,)), server), Sent)
    [part] = server.mails[0].message.iter_attachments()
    assert part.get_filename() == "Übersicht.bin"
    assert part.get_content() == content


def test_an_unused_connection_is_closed_after_a_while_and_an_old_one_replaced():
    async def main() -> None:
        async with SmtpServer() as server:
            idle = SmtpPool(Connector(parse_url(server.url), timeout=3), idle=0.05)
            async with idle.lend(await idle.take()):
                pass
            await eventually(lambda: server.total == 1 and server.open == 0)
            old = SmtpPool(Connector(parse_url(server.url), timeout=3), max_age=0)
            used_up = SmtpPool(Connector(parse_url(server.url), timeout=3), per_connection=1)
            for pool in (old, used_up):
                for _ in range(2):
                    async with pool.lend(await pool.take()):
                        pass
                await pool.close()
            assert server.total == 5
            await idle.close()
            await eventually(lambda: server.open == 0)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("url", "port", "tls"),
    [
        ("smtp://mail.example", 25, False),
        ("smtp://u:p@mail.example", 587, False),
        ("smtps://u:p@mail.example", 465, True),
        ("smtp://mail.example:2525", 2525, False),
    ],
)
def test_the_url_says_the_port_and_the_tls(url, port, tls):
    server = parse_url(url)
    assert (server.host, server.port, server.tls) == ("mail.example", port, tls)
    assert "p@" not in repr(server)


def test_when_one_kept_connection_is_given_up_the_others_are_not_kept_beside_the_new_one():
    async def main() -> None:
        async with SmtpServer() as server:
            pool = SmtpPool(Connector(parse_url(server.url), timeout=3))
            async with pool.lend(await pool.take()), pool.lend(await pool.take()):
                pass
            assert server.open == 2
            async with pool.lend(await pool.take(fresh=True)):
                await eventually(lambda: server.total == 3 and server.open == 1)
            await pool.close()
            await eventually(lambda: server.open == 0)

    asyncio.run(main())
