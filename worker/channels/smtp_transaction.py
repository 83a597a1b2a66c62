"""One SMTP transaction: MAIL, RCPT, DATA, the text.

Where the server offers PIPELINING (RFC 2920, nearly all do), the first three are written at once, and an
e-mail takes two waits instead of four. The text is written only after each of them was answered well.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import aiosmtplib

from messages.outcomes import Failed
from worker.channels.smtp_pool import Connection
from worker.channels.smtp_replies import Stage, classify_reply, goes_on, is_no, is_yes
from worker.channels.smtp_session import Session

#: What is asked, in order, and the replies with which it goes on.
_STEPS: Mapping[Stage, Callable[[int], bool]] = {
    Stage.SENDER: is_yes,
    Stage.RECIPIENT: is_yes,
    Stage.DATA: goes_on,
}


@dataclass(slots=True)
class HandOver:
    """An e-mail on its way: what is handed over, and how far it has come.

    `text`: lines ended by CRLF, the last one too; no other CR or LF.
    """

    sender: str
    recipient: str
    text: bytes
    utf8: bool  #: an address needs SMTPUTF8
    #: The header with the only address that needs it, where the e-mail can go without that header.
    optional_header: bytes | None = None
    stage: Stage = Stage.CONNECT
    left_out: bool = False  #: the optional header


class StaleConnectionError(Exception):
    """A connection that had been kept was found closed; nothing was sent on it."""


async def transact(connection: Connection, hand_over: HandOver) -> Failed | None:
    """Do it. What it raises closes the connection; a reply that says no does not, and becomes Failed.

    Raises StaleConnectionError, aiosmtplib's SMTPException.
    """
    session = connection.session
    hand_over.stage = Stage.SENDER
    commands = _commands(session.extensions, hand_over)
    await _begin(connection)
    if session.pipelines:
        session.write(b"".join(commands), replies=len(commands))
    for number, (stage, is_good) in enumerate(_STEPS.items()):
        if not session.pipelines:
            session.write(commands[number], replies=1)
        reply = await _reply(connection, stage)
        if not is_good(reply.code):
            if session.pipelines:
                await _pass_over(session, len(commands) - number - 1)
            return _refused(connection, stage, reply, sized=b" SIZE=" in commands[0])
        hand_over.stage = Stage.RECIPIENT  # until the text is written, silence leaves nothing in doubt
    session.write(_stuffed(hand_over.text), replies=1)
    hand_over.stage = Stage.TEXT  # from here on it may have been accepted
    reply = await session.reply()
    if session.has_unsent:  # answered before it had all of it: the rest must not pass for commands
        session.drop()
    return None if is_yes(reply.code) else _refused(connection, Stage.TEXT, reply)


async def _begin(connection: Connection) -> None:
    """Have the server ready for the next one. Raises StaleConnectionError."""
    if connection.needs_reset:
        with suppress(aiosmtplib.SMTPException):
            connection.session.write(b"RSET\r\n", replies=1)
            connection.needs_reset = not is_yes((await connection.session.reply()).code)
    if connection.needs_reset or not (connection.fresh or connection.session.is_connected):
        raise StaleConnectionError


async def _reply(connection: Connection, stage: Stage) -> aiosmtplib.SMTPResponse:
    """The reply at this stage. Raises StaleConnectionError if it is the first, and says good-bye."""
    can_be_stale = stage is Stage.SENDER and not connection.fresh
    try:
        reply = await connection.session.reply()
    except aiosmtplib.SMTPServerDisconnected:
        if can_be_stale:
            raise StaleConnectionError from None
        raise
    if can_be_stale and not connection.session.is_connected:  # else it was a no to this e-mail
        raise StaleConnectionError
    return reply


async def _pass_over(session: Session, replies: int) -> None:
    """Hear the rest of what was asked at once. Where a text is taken for nobody, it is not even begun."""
    with suppress(aiosmtplib.SMTPException):
        for _ in range(replies):
            if goes_on((await session.reply()).code):
                session.drop()


def _refused(
    connection: Connection, stage: Stage, reply: aiosmtplib.SMTPResponse, *, sized: bool = False
) -> Failed:
    connection.needs_reset = True  # done when it is next used, so that this outcome need not wait
    if not is_no(reply.code):  # neither yes nor no: nobody knows what the server waits for now
        connection.session.drop()
    return classify_reply(reply.code, reply.message, stage, sized=sized)


def _commands(extensions: frozenset[str], hand_over: HandOver) -> list[bytes]:
    options = ""
    if hand_over.optional_header is not None and "smtputf8" not in extensions:
        hand_over.text = hand_over.text.replace(hand_over.optional_header, b"", 1)
        hand_over.utf8, hand_over.optional_header, hand_over.left_out = False, None, True
    if "size" in extensions:  # lets the server refuse before it is sent megabytes
        options += f" SIZE={len(hand_over.text)}"
    if hand_over.utf8:
        if "smtputf8" not in extensions:
            raise aiosmtplib.SMTPNotSupported("SMTPUTF8")
        options += " SMTPUTF8 BODY=8BITMIME"  # its headers hold the address as UTF-8
    mail, rcpt = f"MAIL FROM:<{hand_over.sender}>{options}\r\n", f"RCPT TO:<{hand_over.recipient}>\r\n"
    return [mail.encode(), rcpt.encode(), b"DATA\r\n"]


def _stuffed(text: bytes) -> bytes:
    """RFC 5321, 4.5.2: a dot at the beginning of a line is doubled, and a lone one ends the text."""
    dots = b"." if text.startswith(b".") else b""
    return dots + text.replace(b"\r\n.", b"\r\n..") + b".\r\n"
