"""Connections to a real SMTP server: kept, replaced, secured and logged in."""

import asyncio

import aiosmtplib
import pytest

from messages.outcomes import FailureKind, Outcome, Sent
from tests.contract.email_wire import channel, email, run, sent
from tests.servers import FreePermit, eventually
from tests.servers.smtp import SmtpServer
from tests.servers.tls import authority
from tests.servers.twilio import RawServer
from worker.channels.email import SmtpEmail
from worker.channels.smtp_connect import Connector, TlsPolicy, is_loopback, parse_url
from worker.channels.smtp_pool import Connection, SmtpPool

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


# Kept and replaced


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


async def nothing(_: Connection) -> None:
    """What is done on a connection, where it does not matter."""


def test_an_unused_connection_is_closed_after_a_while_and_an_old_one_replaced():
    async def main() -> None:
        async with SmtpServer() as server:
            idle = SmtpPool(Connector(parse_url(server.url), timeout=3), idle=0.05)
            await idle.use(await idle.take(), nothing)
            await eventually(lambda: server.total == 1 and server.open == 0)
            old = SmtpPool(Connector(parse_url(server.url), timeout=3), max_age=0)
            used_up = SmtpPool(Connector(parse_url(server.url), timeout=3), per_connection=1)
            for pool in (old, used_up):
                for _ in range(2):
                    await pool.use(await pool.take(), nothing)
                await pool.close()
            assert server.total == 5
            await idle.close()
            await eventually(lambda: server.open == 0)

    asyncio.run(main())


def test_when_one_kept_connection_is_given_up_the_others_are_not_kept_beside_the_new_one():
    async def main() -> None:
        async with SmtpServer() as server:
            pool = SmtpPool(Connector(parse_url(server.url), timeout=3))
            for connection in [await pool.take(), await pool.take()]:
                await pool.use(connection, nothing)
            assert server.open == 2
            await pool.use(await pool.take(fresh=True), nothing)
            await eventually(lambda: server.total == 3 and server.open == 1)
            await pool.close()
            await eventually(lambda: server.open == 0)

    asyncio.run(main())


# Made


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


@pytest.mark.parametrize("after", ["connect", "ehlo"])
def test_a_connection_that_is_lost_while_it_is_made_is_tried_again(after, monkeypatch):
    done = getattr(aiosmtplib.SMTP, after)

    async def and_lost(smtp: aiosmtplib.SMTP) -> None:
        await done(smtp)
        smtp.close()

    monkeypatch.setattr(aiosmtplib.SMTP, after, and_lost)
    server = SmtpServer()
    outcome = sent(email(), server)
    assert (outcome.kind, outcome.unforeseen) == (FailureKind.RETRYABLE, False)
    assert server.mails == []


# TLS and log-in


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


@pytest.mark.parametrize(
    ("policy", "words"),
    [(None, "STARTTLS"), (TlsPolicy.OPPORTUNISTIC, "STARTTLS"), (TlsPolicy.OFF, "SMTP_TLS=off")],
)
def test_credentials_are_never_sent_in_the_clear(policy, words):
    server = SmtpServer(credentials=("user", "pass"))
    outcome = sent(email(), server, tls=policy)
    assert (outcome.kind, outcome.provider_trouble) == (FailureKind.RETRYABLE, True)
    assert words in outcome.reason
    assert "SMTP_URL" in outcome.reason
    assert server.mails == []


def test_a_server_without_starttls_gets_nothing_where_tls_is_required():
    server = SmtpServer()
    outcome = sent(email(), server, tls=TlsPolicy.REQUIRED)
    assert (outcome.kind, outcome.provider_trouble) == (FailureKind.RETRYABLE, True)
    assert "SMTP_TLS" in outcome.reason
    assert server.mails == []


@pytest.mark.parametrize("policy", [None, TlsPolicy.OPPORTUNISTIC, TlsPolicy.OFF])
def test_a_server_on_this_machine_may_do_without_tls(policy):
    assert isinstance(sent(email(), SmtpServer(), tls=policy), Sent)


def test_starttls_is_used_unless_it_is_off():
    server_context, client_context = authority()
    for policy, encrypted in [(None, True), (TlsPolicy.REQUIRED, True), (TlsPolicy.OFF, False)]:
        server = SmtpServer(starttls=server_context, require_starttls=encrypted)
        assert isinstance(sent(email(), server, tls=policy, tls_context=client_context), Sent)


def test_tls_from_the_first_byte_is_what_smtps_says_whatever_the_policy():
    server_context, client_context = authority()
    for policy in (None, *TlsPolicy):
        server = SmtpServer(tls=server_context)
        assert isinstance(sent(email(), server, tls=policy, tls_context=client_context), Sent)


@pytest.mark.parametrize(
    ("host", "is_here"),
    [
        ("localhost", True), ("LOCALHOST.", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True),
        ("mail.example", False), ("localhost.example", False), ("10.0.0.1", False), ("0.0.0.0", False),
    ],
)  # fmt: skip
def test_a_host_is_this_machine_by_its_loopback_address_or_name(host, is_here):
    assert is_loopback(host) is is_here


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
