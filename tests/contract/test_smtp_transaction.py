"""One SMTP transaction, reply by reply: what is written at once, what follows, what is in doubt."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from email import message_from_bytes, policy
from typing import Any

import pytest

from messages.outcomes import Failed, FailureKind, Outcome, Sent
from messages.outgoing import OutgoingEmail, RenderedEmail
from tests.servers import FreePermit, eventually
from tests.servers.twilio import RawServer
from worker.channels.email import SmtpEmail

HELLO = {True: b"250-mx\r\n250-SIZE 1000000\r\n250 PIPELINING\r\n", False: b"250 mx\r\n"}
SILENCE = b""
PIPELINED = pytest.mark.parametrize("pipelining", [True, False], ids=["pipelined", "step by step"])


class Server:
    """Says what it is told to, for each verb once or more often, and 250 (354 to DATA) otherwise."""

    def __init__(
        self,
        replies: Mapping[str, list[bytes]] | None = None,
        *,
        pipelining: bool = True,
        in_pieces: bool = False,
        forgetful: bool = False,
    ) -> None:
        self.replies = {verb: list(each) for verb, each in (replies or {}).items()}
        self.pipelining, self.in_pieces, self.forgetful = pipelining, in_pieces, forgetful
        self.reads: list[bytes] = []  #: what came at a time, from MAIL on
        self.texts: list[bytes] = []
        self.writers: list[asyncio.StreamWriter] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        writer.write(b"220 mx\r\n")
        unread, in_text = b"", False
        while data := await reader.read(100_000):
            unread += data
            self.reads.append(data)
            end = b"\r\n.\r\n" if in_text else b"\r\n"
            while end in unread:
                said, _, unread = unread.partition(end)
                if in_text:
                    self.texts.append(said)
                reply = self._reply("TEXT" if in_text else said[:4].decode().upper())
                in_text = reply.startswith(b"354")
                end = b"\r\n.\r\n" if in_text else b"\r\n"
                await self._write(writer, reply)
                unread = b"" if self.forgetful else unread

    async def _write(self, writer: asyncio.StreamWriter, reply: bytes) -> None:
        for piece in [bytes([byte]) for byte in reply] if self.in_pieces else [reply]:
            writer.write(piece)
            await asyncio.sleep(0)

    def _reply(self, verb: str) -> bytes:
        if told := self.replies.get(verb):
            return told.pop(0)
        return {"EHLO": HELLO[self.pipelining], "DATA": b"354 go on\r\n"}.get(verb, b"250 OK\r\n")

    @property
    def said(self) -> list[str]:
        """The commands of the transactions, in order."""
        lines = b"".join(self.reads).split(b"\r\n")
        verbs = [line[:4].decode("ascii", "replace") for line in lines]
        return [verb for verb in verbs if verb in ("MAIL", "RCPT", "DATA", "RSET", "QUIT")]


def email(name: str = "ann", text: str = "Hello") -> OutgoingEmail:
    content = RenderedEmail("Hi", text, None)
    return OutgoingEmail(f"d-{name}", f"{name}@customer.example", None, None, content)


def run(
    server: Server, scenario: Callable[[SmtpEmail], Awaitable[Any]], timeout: float = 2
) -> tuple[Any, int]:
    """What the scenario returns, and how many connections it took."""

    async def main() -> tuple[Any, int]:
        async with RawServer(server.talk) as raw:
            url = raw.url.replace("http", "smtp")
            smtp = SmtpEmail(
                url, default_sender="us@dealer.example", fetch=None, timeout=timeout, connections=1
            )
            try:
                return await scenario(smtp), raw.connections
            finally:
                await smtp.close()

    return asyncio.run(main())


async def one_after_the_other(smtp: SmtpEmail, *names: str) -> list[Outcome]:
    return [await smtp.send(email(name), FreePermit()) for name in names]


def test_where_the_server_pipelines_all_but_the_text_is_written_at_once():
    server = Server()
    [outcome], _ = run(server, lambda smtp: one_after_the_other(smtp, "ann"))
    assert isinstance(outcome, Sent)
    _, envelope, text, _ = server.reads
    assert envelope.split(b" SIZE=")[0] == b"MAIL FROM:<us@dealer.example>"
    assert envelope.endswith(b"\r\nRCPT TO:<ann@customer.example>\r\nDATA\r\n")
    assert text.endswith(b"\r\n.\r\n")


def test_where_it_does_not_each_command_waits_for_its_reply():
    server = Server(pipelining=False)
    [outcome], _ = run(server, lambda smtp: one_after_the_other(smtp, "ann"))
    assert isinstance(outcome, Sent)
    assert [read[:4] for read in server.reads[1:4]] == [b"MAIL", b"RCPT", b"DATA"]


@PIPELINED
@pytest.mark.parametrize(
    ("verb", "reply", "kind"),
    [
        ("MAIL", b"553 5.1.8 not from you\r\n", FailureKind.PERMANENT),
        ("RCPT", b"451 4.2.1 not now\r\n", FailureKind.RETRYABLE),
        ("DATA", b"554 5.5.1 no valid recipients\r\n", FailureKind.PERMANENT),
        ("TEXT", b"554-5.7.1 looks\r\n554 5.7.1 like spam\r\n", FailureKind.PERMANENT),
    ],
)
def test_a_no_at_any_step_is_of_that_e_mail_only_and_the_connection_goes_on(verb, reply, kind, pipelining):
    # Having said no to one command, a server says no to those behind it.
    behind = {"MAIL": ["RCPT", "DATA"], "RCPT": ["DATA"]}.get(verb, []) if pipelining else []
    server = Server({verb: [reply], **{each: [b"503 5.5.1 bad sequence\r\n"] for each in behind}},
                    pipelining=pipelining)  # fmt: skip
    (refused, sent), connections = run(server, lambda smtp: one_after_the_other(smtp, "ann", "bob"))
    assert isinstance(refused, Failed)
    assert (refused.kind, refused.code) == (kind, f"{reply[:3].decode()} {reply[4:9].decode()}")
    assert isinstance(sent, Sent)
    assert connections == 1
    assert "RSET" in server.said
    assert b"bob" in server.texts[-1]


def test_a_text_that_would_be_for_nobody_is_not_begun_and_the_connection_is_given_up():
    server = Server({"RCPT": [b"550 5.1.1 unknown\r\n"]})  # and yet 354 to DATA
    (refused, sent), connections = run(server, lambda smtp: one_after_the_other(smtp, "ann", "bob"))
    assert refused.code == "550 5.1.1"
    assert isinstance(sent, Sent)
    assert connections == 2
    assert len(server.texts) == 1


@PIPELINED
@pytest.mark.parametrize(
    ("verb", "kind"),
    [
        ("MAIL", FailureKind.RETRYABLE),
        ("RCPT", FailureKind.RETRYABLE),
        ("DATA", FailureKind.RETRYABLE),
        ("TEXT", FailureKind.AMBIGUOUS),
    ],
)
def test_silence_leaves_something_in_doubt_only_once_the_text_is_written(verb, kind, pipelining):
    server = Server({verb: [SILENCE]}, pipelining=pipelining)
    if pipelining and verb != "TEXT":  # a server that hangs does not answer what is behind either
        server.replies |= {each: [SILENCE] for each in ("RCPT", "DATA")}
    [outcome], _ = run(server, lambda smtp: one_after_the_other(smtp, "ann"), timeout=0.3)
    assert outcome.kind is kind
    assert bool(server.texts) is (verb == "TEXT")


@pytest.mark.parametrize("stray", [b"421 4.4.2 idle for too long\r\n", b"250 OK, twice\r\n", b"hm?\r\n"])
def test_what_the_server_says_unasked_is_taken_for_no_reply_and_the_connection_is_replaced(stray):
    server = Server({"RCPT": [b"250 OK\r\n", b"550 5.1.1 unknown\r\n"]})

    async def scenario(smtp: SmtpEmail) -> Outcome:
        assert isinstance(await smtp.send(email("ann"), FreePermit()), Sent)
        server.writers[0].write(stray)
        await asyncio.wait_for(server.writers[0].drain(), 1)
        await eventually(lambda: _is_over(smtp))
        return await smtp.send(email("bob"), FreePermit())

    outcome, connections = run(server, scenario)
    assert outcome.code == "550 5.1.1"  # bob's own
    assert connections == 2


def _is_over(smtp: SmtpEmail) -> bool:
    return not any(kept.session.is_connected for kept in smtp._pool._idle)


def test_a_reply_may_come_in_any_pieces():
    server = Server(in_pieces=True)
    outcomes, connections = run(server, lambda smtp: one_after_the_other(smtp, "ann", "bob"))
    assert all(isinstance(outcome, Sent) for outcome in outcomes)
    assert connections == 1


@pytest.mark.parametrize(
    "reply", [b"250", b"2x0 hm\r\n", b"hm\r\n", b"250-" + b"x" * 100_000], ids=["cut", "2x0", "hm", "endless"]
)
def test_what_is_no_reply_ends_the_connection_and_after_the_text_leaves_it_in_doubt(reply):
    server = Server({"TEXT": [reply]})
    (doubtful, sent), connections = run(
        server, lambda smtp: one_after_the_other(smtp, "ann", "bob"), timeout=0.5
    )
    assert doubtful.kind is FailureKind.AMBIGUOUS
    assert isinstance(sent, Sent)
    assert connections == 2


def test_a_server_that_only_says_that_it_pipelines_is_spoken_to_step_by_step_from_then_on():
    server = Server(forgetful=True)
    (late, sent), connections = run(server, lambda smtp: one_after_the_other(smtp, "ann", "bob"), timeout=0.3)
    assert late.kind is FailureKind.RETRYABLE
    assert isinstance(sent, Sent)
    assert connections == 2


def test_a_text_that_is_refused_before_all_of_it_left_takes_its_connection_with_it():
    whole = OutgoingEmail(
        "d-1", "ann@customer.example", None, None, RenderedEmail("Hi", "x\n" * 6_000_000, None)
    )

    async def scenario(smtp: SmtpEmail) -> list[Outcome]:
        return [await smtp.send(whole, FreePermit()), await smtp.send(email("bob"), FreePermit())]

    async def refuses_early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mx\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            writer.write(b"354 go on\r\n" if verb == b"DATA" else b"250 OK\r\n")
            if verb == b"DATA" and not refused:
                refused.append(True)
                await reader.readline()
                writer.write(b"552 5.3.4 too large\r\n")
                await asyncio.sleep(0.3)
            elif verb == b"DATA":
                await reader.readuntil(b"\r\n.\r\n")
                writer.write(b"250 OK\r\n")

    refused: list[bool] = []
    server = Server()
    server.talk = refuses_early  # type: ignore[method-assign]
    (too_large, sent), connections = run(server, scenario)
    assert too_large.code == "552 5.3.4"
    assert isinstance(sent, Sent)
    assert connections == 2


def test_a_line_that_begins_with_a_dot_arrives_with_its_dot_and_ends_nothing():
    server = Server()
    text = ".first\n.\n..\nlast\n."
    run(server, lambda smtp: smtp.send(email(text=text), FreePermit()))
    [stuffed] = server.texts
    assert not [line for line in stuffed.split(b"\r\n") if line == b"."]
    arrived = message_from_bytes(re.sub(rb"(?m)^\.", b"", stuffed), policy=policy.default)
    assert arrived.get_content().splitlines() == text.split("\n")
