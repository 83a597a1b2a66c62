"""SMTP answers on the wire: each kind of reply, and none, at each stage of a session."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from messages.outcomes import ActionBy, Failed, FailureKind, Outcome, Sent
from tests.contract.email_wire import channel, email
from tests.servers import FreePermit
from tests.servers.tls import authority
from tests.servers.twilio import RawServer
from worker.channels.smtp_connect import TlsPolicy

P, R, A = FailureKind.PERMANENT, FailureKind.RETRYABLE, FailureKind.AMBIGUOUS
LOST = None

#: What a server says if nothing else is asked of it.
USUAL: Mapping[str, str] = {
    "GREETING": "220 mx.example ESMTP",
    "EHLO": "250-mx.example\n250-SIZE 1000000\n250 AUTH PLAIN",
    "DATA": "354 go on",
    "QUIT": "221 bye",
    "AUTH": "235 welcome",
}
SERVER_TLS, CLIENT_TLS = authority()


def session(replies: Mapping[str, str | None], said: list[str]) -> Any:
    """A server that answers each verb, the GREETING and the TEXT; LOST drops the connection."""
    answers = {**USUAL, **replies}

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def answer(verb: str) -> bool:
            reply = answers.get(verb, "250 ok")
            if reply is LOST:
                return False
            writer.write(reply.replace("\n", "\r\n").encode() + b"\r\n")
            await writer.drain()
            return verb != "GREETING" or reply.startswith("220")

        if not await answer("GREETING"):
            return
        while line := await reader.readline():
            verb = line[:4].decode("ascii", "replace").upper().strip()
            verb = {"STAR": "STARTTLS"}.get(verb, verb)
            said.append(verb)
            if not await answer(verb) or (verb == "STARTTLS" and "TLS" in answers):
                return
            if verb == "DATA" and str(answers["DATA"])[:1] == "3":
                await reader.readuntil(b"\r\n.\r\n")
                if not await answer("TEXT"):
                    return

    return script


def outcome(
    replies: Mapping[str, str | None],
    *,
    login: bool = False,
    said: list[str] | None = None,
    message: Any = None,
    **options: Any,
) -> Outcome:
    """What comes of one e-mail; with `login`, over TLS and with a user and password."""

    async def main() -> Outcome:
        heard: list[str] = [] if said is None else said
        tls = SERVER_TLS if login else None
        async with RawServer(session(replies, heard), tls=tls) as server:
            where = (
                f"smtps://user:secret@localhost:{server.port}" if login else f"smtp://127.0.0.1:{server.port}"
            )
            smtp = channel(where, tls_context=CLIENT_TLS, **options)
            try:
                return await smtp.send(message or email(), FreePermit())
            finally:
                await smtp.close()

    return asyncio.run(main())


def failed(replies: Mapping[str, str | None], **options: Any) -> Failed:
    result = outcome(replies, **options)
    assert isinstance(result, Failed)
    assert "secret" not in repr(result)
    assert "customer.example" not in repr(result)
    return result


# The server's or our own trouble: never the e-mail's


@pytest.mark.parametrize(
    ("replies", "words"),
    [
        ({"GREETING": "554 5.7.1 Your host is blocked for now"}, "SMTP_URL"),
        ({"GREETING": "521 no mail here"}, "SMTP_URL"),
        ({"GREETING": "250 hello"}, "SMTP"),
        ({"GREETING": "421 going down"}, "not available"),
        ({"GREETING": "450 later"}, "450"),
        ({"EHLO": "550 5.7.1 go away", "HELO": "550 5.7.1 go away"}, "SMTP_URL"),
        ({"EHLO": "502 what?", "HELO": LOST}, "502"),
        ({"EHLO": "421 4.3.2 closing"}, "not available"),
        ({"MAIL": "530 5.7.0 Authentication required"}, "user and password"),
        ({"MAIL": "530 5.7.57 Client not authenticated to send mail"}, "user and password"),
        ({"MAIL": "530 5.7.0 Must issue a STARTTLS command first"}, "SMTP_TLS=required"),
        ({"MAIL": "530"}, "user and password"),
        ({"RCPT": "530 5.7.0 Authentication required"}, "user and password"),
        ({"DATA": "530 5.7.0 Authentication required"}, "user and password"),
        ({"MAIL": "535 5.7.8 bad credentials"}, "user and password"),
        ({"MAIL": "534 5.7.9 mechanism too weak"}, "user and password"),
        ({"MAIL": "538 5.7.11 encryption needed"}, "SMTP_TLS"),
        ({"MAIL": "550 Authentication required"}, "user and password"),
        ({"MAIL": "553 5.7.1 Sender address rejected: not logged in"}, "user and password"),
        ({"MAIL": "503 5.5.4 Error: send AUTH command first"}, "user and password"),
        ({"RCPT": "550 5.7.1 relaying denied, please authenticate"}, "user and password"),
        ({"MAIL": "421 4.3.0 going down"}, "not available"),
        ({"RCPT": "421 4.3.0 going down"}, "not available"),
        ({"DATA": "421 4.3.0 going down"}, "not available"),
        ({"TEXT": "421 4.3.0 going down"}, "not available"),
        ({"MAIL": "502 5.5.1 command not implemented"}, "502 5.5.1"),
        ({"MAIL": "503 5.5.1 polite people say HELO"}, "503 5.5.1"),
        ({"RCPT": "504 5.5.2 need a fully-qualified host name"}, "504 5.5.2"),
        ({"MAIL": "354 go on"}, "354"),
        ({"RCPT": "120 wait"}, "120"),
        ({"DATA": "250 ok"}, "250"),
    ],
)
def test_trouble_of_the_server_or_the_settings_is_retryable_and_opens_the_circuit(replies, words):
    result = failed(replies)
    assert (result.kind, result.provider_trouble) == (R, True)
    assert words in result.reason
    assert "spam" not in result.reason


@pytest.mark.parametrize(
    ("replies", "words"),
    [
        ({"AUTH": "535 5.7.8 no"}, "user and password in SMTP_URL"),
        ({"AUTH": "534 5.7.9 too weak"}, "user and password in SMTP_URL"),
        ({"AUTH": "538 no"}, "user and password in SMTP_URL"),
        ({"AUTH": "500 what?"}, "SMTP_URL"),
        ({"AUTH": "454 4.7.0 try later"}, "later"),
        ({"AUTH": "454 later"}, "not available"),
        ({"AUTH": "421 closing"}, "not available"),
        ({"AUTH": LOST}, "lost"),
        ({"EHLO": "250 mx.example"}, "no log-in (AUTH)"),
        ({"EHLO": "250-mx\n250 AUTH XOAUTH2 NTLM"}, "PLAIN, LOGIN, CRAM-MD5"),
        ({"EHLO": "502 no", "HELO": "250 hi"}, "no log-in (AUTH)"),
    ],
)
def test_a_log_in_that_fails_is_retryable_and_names_the_setting(replies, words):
    result = failed(replies, login=True)
    assert (result.kind, result.provider_trouble) == (R, True)
    assert words in result.reason


@pytest.mark.parametrize(
    ("replies", "words"),
    [
        ({"STARTTLS": "502 5.5.1 no"}, "SMTP_TLS"),
        ({"STARTTLS": "454 TLS not available"}, "SMTP_TLS"),
        ({"STARTTLS": "421 4.3.0 closing"}, "not available"),
        ({"STARTTLS": "250 ok"}, "SMTP"),
        ({"STARTTLS": "220 go", "TLS": LOST}, "lost"),
        ({"STARTTLS": LOST}, "lost"),
    ],
)
@pytest.mark.parametrize("policy", [None, TlsPolicy.REQUIRED])
def test_starttls_that_is_offered_and_fails_is_trouble_of_the_server(replies, words, policy):
    result = failed({"EHLO": "250-mx.example\n250 STARTTLS", **replies}, tls=policy)
    assert (result.kind, result.provider_trouble) == (R, True)
    assert words in result.reason


# An e-mail's own


@pytest.mark.parametrize(
    ("replies", "kind", "code", "words", "action"),
    [
        ({"MAIL": "550 5.1.8 bad domain"}, P, "550 5.1.8", "sender's domain", ActionBy.SENDER),
        ({"MAIL": "553 not allowed"}, P, "553", "refused the sender", ActionBy.SENDER),
        ({"MAIL": "552 too big"}, P, "552", "larger than the server allows", ActionBy.CONTENT),
        ({"MAIL": "552 5.2.2 over quota"}, P, "552 5.2.2", "larger than the server allows", ActionBy.CONTENT),
        ({"MAIL": "552 5.7.1 no"}, P, "552 5.7.1", "larger than the server allows", ActionBy.CONTENT),
        ({"MAIL": "451 4.3.0 later"}, R, "451 4.3.0", "just now", ActionBy.NOBODY),
        ({"RCPT": "451 local error"}, R, "451", "does not take the e-mail just now", ActionBy.NOBODY),
        ({"RCPT": "452 4.2.2 full"}, R, "452 4.2.2", "full", ActionBy.RECIPIENT),
        ({"TEXT": "451 local error"}, R, "451", "does not take the e-mail just now", ActionBy.NOBODY),
        ({"RCPT": "550 5.1.1 unknown"}, P, "550 5.1.1", "does not exist", ActionBy.RECIPIENT),
        ({"RCPT": "550"}, P, "550", "refused the recipient", ActionBy.RECIPIENT),
        ({"RCPT": "550 5.1.1"}, P, "550 5.1.1", "does not exist", ActionBy.RECIPIENT),
        ({"RCPT": "550 #5.1.1 unknown"}, P, "550 5.1.1", "does not exist", ActionBy.RECIPIENT),
        ({"RCPT": "550-mx says\n550 5.1.1 unknown"}, P, "550 5.1.1", "does not exist", ActionBy.RECIPIENT),
        ({"RCPT": "550 4.7.1 no"}, P, "550 4.7.1", "may not be sent here", ActionBy.OPERATOR),
        ({"RCPT": "550 5.99.99 hm"}, P, "550 5.99.99", "refused the recipient", ActionBy.RECIPIENT),
        ({"RCPT": "550 5.1.1234 hm"}, P, "550", "refused the recipient", ActionBy.RECIPIENT),
        ({"RCPT": "552 no room"}, P, "552", "full", ActionBy.RECIPIENT),
        ({"RCPT": "556 no mail"}, P, "556", "takes no e-mail", ActionBy.RECIPIENT),
        ({"RCPT": "450 4.2.1 later"}, R, "450 4.2.1", "just now", ActionBy.NOBODY),
        ({"DATA": "554 5.5.1 no valid recipients"}, P, "554 5.5.1", "refused the e-mail", ActionBy.OPERATOR),
        ({"TEXT": "552 too much"}, P, "552", "larger than the server allows", ActionBy.CONTENT),
        ({"TEXT": "554 5.7.1 spam"}, P, "554 5.7.1", "spam", ActionBy.OPERATOR),
        ({"TEXT": "550 5.7.26 unauthenticated"}, P, "550 5.7.26", "SPF, DKIM", ActionBy.OPERATOR),
        ({"TEXT": "500 line too long"}, P, "500", "refused the e-mail", ActionBy.CONTENT),
        ({"TEXT": "451 4.7.1 later"}, R, "451 4.7.1", "later", ActionBy.NOBODY),
        ({"TEXT": "354 more"}, A, "354", "not known", ActionBy.NOBODY),
        ({"TEXT": "650 hm"}, A, "650", "not known", ActionBy.NOBODY),
    ],
)
def test_a_no_to_an_e_mail_is_classified_by_its_code_and_stage(replies, kind, code, words, action):
    result = failed(replies)
    assert (result.kind, result.code, result.action_by) == (kind, code, action)
    assert words in result.reason


@pytest.mark.parametrize(
    ("verb", "kind"), [("GREETING", R), ("EHLO", R), ("MAIL", R), ("RCPT", R), ("DATA", R), ("TEXT", A)]
)
def test_a_lost_connection_leaves_something_in_doubt_only_after_the_text(verb, kind):
    result = failed({verb: LOST})
    assert (result.kind, result.provider_trouble, result.action_by) == (kind, True, ActionBy.NOBODY)


# Acceptance: any 2xx, and any 3xx to DATA


@pytest.mark.parametrize(
    "replies",
    [
        {"EHLO": "200 hello"},
        {"MAIL": "200 fine"},
        {"MAIL": "252 fine"},
        {"RCPT": "251 will forward"},
        {"RCPT": "299 fine"},
        {"DATA": "300 go on"},
        {"DATA": "399 go on"},
        {"TEXT": "200 taken"},
        {"TEXT": "251 taken"},
        {"TEXT": "299"},
        {"QUIT": LOST},
        {"QUIT": "500 what?"},
    ],
)
def test_any_2xx_is_a_yes_and_any_3xx_to_data_goes_on(replies):
    assert isinstance(outcome(replies), Sent)


@pytest.mark.parametrize("reply", ["250 in", "200 in", "235 in"])
def test_any_2xx_to_a_log_in_is_a_yes(reply):
    assert isinstance(outcome({"AUTH": reply}, login=True), Sent)


@pytest.mark.parametrize("code", [500, 501, 502, 504, 550])
def test_a_server_that_does_not_know_ehlo_is_greeted_with_helo(code):
    said: list[str] = []
    assert isinstance(outcome({"EHLO": f"{code} 5.5.2 not recognized"}, said=said), Sent)
    assert said[:3] == ["EHLO", "HELO", "MAIL"]


@pytest.mark.parametrize(("reset", "connections"), [("250 ok", 1), ("200 ok", 1), ("502 no", 2), (LOST, 2)])
def test_a_connection_that_cannot_be_reset_is_replaced(reset, connections):
    async def refuses(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await session({"RSET": reset, "RCPT": "550 5.1.1 unknown"}, [])(reader, writer)

    async def main() -> int:
        async with RawServer(refuses) as server:
            smtp = channel(f"smtp://127.0.0.1:{server.port}", connections=1)
            for _ in range(2):
                assert isinstance(await smtp.send(email(), FreePermit()), Failed)
            await smtp.close()
            return server.connections

    assert asyncio.run(main()) == connections


# A Reply-To that the server cannot carry


@pytest.mark.parametrize(
    ("reply_to", "why"), [("jürgen@dealer.example", "not in ASCII"), ("nobody", "not an e-mail address")]
)
def test_a_reply_to_that_cannot_be_carried_is_left_out_with_a_warning(reply_to, why):
    result = outcome({}, message=email(reply_to=reply_to))
    assert isinstance(result, Sent)
    assert result.warning is not None
    assert why in result.warning
    assert reply_to not in result.warning
