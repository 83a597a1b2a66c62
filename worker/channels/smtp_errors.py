"""What an SMTP server's refusals and silences mean. Pure: two tables and one decision.

    before the text was handed over   nothing was sent: by the reply's class, 4xx RETRYABLE, 5xx PERMANENT;
                                      no reply at all RETRYABLE
    while it was handed over          a reply is definite, by its class; no reply is AMBIGUOUS

TLS that cannot be had, a bad certificate included, is RETRYABLE: nothing was sent, and it is put right at
the server, not in the message. The server's own text may quote addresses and text and is never passed on.
Source of the enhanced codes: RFC 3463 and https://www.iana.org/assignments/smtp-enhanced-status-codes
"""

import re
import ssl
from collections.abc import Mapping
from dataclasses import replace
from enum import Enum, auto

import aiosmtplib as smtp

from messages.outcomes import Failed, FailureKind

_P, _R, _A = FailureKind.PERMANENT, FailureKind.RETRYABLE, FailureKind.AMBIGUOUS


class Stage(Enum):
    """How far an e-mail has come."""

    CONNECT = auto()
    LOGIN = auto()
    SENDER = auto()
    RECIPIENT = auto()
    TEXT = auto()  #: from DATA on: it may have been accepted


class NoTlsError(ssl.SSLError):
    """The server offers no STARTTLS, and credentials are not sent in the clear."""


class TurnedAway(Enum):
    """Whether a server that gave us no connection has too many of them."""

    NO = auto()
    PERHAPS = auto()  #: if others of ours are open: they are served, and this one is not
    FULL = auto()  #: it says so


class Rule(Enum):
    """How an exception is judged."""

    REPLY = auto()  #: it carries a reply, which is definite
    SILENCE = auto()  #: there was no reply
    CANNOT = auto()  #: we did not ask, because the server cannot do it


#: Every exception of aiosmtplib, by class; a subclass not named here counts as its nearest parent.
RULES: Mapping[type[BaseException], Rule] = {
    smtp.SMTPException: Rule.CANNOT,
    smtp.SMTPNotSupported: Rule.CANNOT,
    smtp.SMTPRecipientsRefused: Rule.CANNOT,
    smtp.SMTPServerDisconnected: Rule.SILENCE,
    smtp.SMTPConnectError: Rule.SILENCE,
    smtp.SMTPTimeoutError: Rule.SILENCE,
    smtp.SMTPConnectTimeoutError: Rule.SILENCE,
    smtp.SMTPReadTimeoutError: Rule.SILENCE,
    smtp.SMTPResponseException: Rule.REPLY,
    smtp.SMTPConnectResponseError: Rule.REPLY,
    smtp.SMTPHeloError: Rule.REPLY,
    smtp.SMTPDataError: Rule.REPLY,
    smtp.SMTPAuthenticationError: Rule.REPLY,
    smtp.SMTPSenderRefused: Rule.REPLY,
    smtp.SMTPRecipientRefused: Rule.REPLY,
    OSError: Rule.SILENCE,
    ValueError: Rule.CANNOT,
}

#: By the last two parts of an enhanced code, as the first mostly just says whether it is for good;
#: where it says more, by all three.
SENTENCES: Mapping[str, str] = {
    "4.7.1": "The server asks us to come again later",
    "4.7.0": "The server asks us to come again later",
    "4.2.1": "The mailbox takes no e-mail just now",
    "1.1": "The mailbox does not exist",
    "1.2": "The domain of the address does not exist",
    "1.3": "The server finds the address badly written",
    "1.6": "The mailbox has moved and left no new address",
    "1.8": "The server does not accept the sender's domain",
    "1.10": "The domain of the address takes no e-mail",
    "2.1": "The mailbox is switched off",
    "2.2": "The mailbox is full",
    "2.3": "The e-mail is larger than the mailbox allows",
    "3.1": "The mail system has no room left",
    "3.2": "The mail system takes no e-mail just now",
    "3.4": "The e-mail is larger than the server allows",
    "4.1": "The recipient's server does not answer",
    "4.4": "The server does not know where to send the e-mail on",
    "4.5": "The mail system is overloaded",
    "5.3": "The server takes fewer recipients at a time",
    "6.7": "The server cannot take addresses that are not in ASCII",
    "7.0": "The server refused the e-mail by its security rules",
    "7.1": "The server refused the e-mail: it may not be sent here by us, or was taken for spam",
    "7.8": "The server refused the credentials: check the user and password in SMTP_URL",
    "7.23": "The sender's domain does not allow this server to send for it (SPF)",
    "7.25": "The sending machine has no valid reverse DNS name",
    "7.26": "The sender's domain is not authenticated (SPF, DKIM)",
}

_STAGES: Mapping[Stage, str] = {
    Stage.CONNECT: "The SMTP server does not let us in",
    Stage.LOGIN: "The SMTP server refused the credentials: check the user and password in SMTP_URL",
    Stage.SENDER: "The SMTP server refused the sender",
    Stage.RECIPIENT: "The SMTP server refused the recipient",
    Stage.TEXT: "The SMTP server refused the e-mail",
}
#: How servers say it (Postfix, Exim, Exchange, Gmail, SmartRelay …); no code of theirs means just that.
_TOO_MANY = re.compile(
    r"too many|concurren|simultaneous|connections? limit|maximum (number of )?connections", re.IGNORECASE
)
_TURNED_AWAY = "The SMTP server has as many connections as it allows"
_ENHANCED = re.compile(r"([245])\.(\d{1,3}\.\d{1,3})(?!\d)")
_SERVICE_NOT_AVAILABLE = 421
_NO_TLS = (
    "The SMTP server offers no TLS, and the credentials in SMTP_URL are not sent in the clear: "
    "use smtps://, or a server with STARTTLS"
)
_NO_UTF8 = (
    "The part of an address before the @ is not in ASCII, and the SMTP server cannot take that (no SMTPUTF8)"
)


def classify(error: BaseException, stage: Stage) -> Failed:
    """Say what an exception that aiosmtplib raised at `stage` means."""
    return replace(_classify(error, stage), provider_trouble=_is_the_servers(error, stage))


def _is_the_servers(error: BaseException, stage: Stage) -> bool:
    """Whether the server itself is in trouble, or we with it: any other e-mail would fare the same."""
    if turned_away(error, stage) is TurnedAway.FULL:
        return False  # it is well, and serves others
    reply = error.code if isinstance(error, smtp.SMTPResponseException) else None
    silent = reply is None and not isinstance(error, smtp.SMTPNotSupported | ValueError)
    return stage in (Stage.CONNECT, Stage.LOGIN) or reply == _SERVICE_NOT_AVAILABLE or silent


def turned_away(error: BaseException | None, stage: Stage) -> TurnedAway:
    """Say whether we got no connection because the server has too many. Certificates are another matter."""
    if stage not in (Stage.CONNECT, Stage.LOGIN):
        return TurnedAway.NO
    if isinstance(error, smtp.SMTPResponseException) and error.code > 0:
        if not _is_temporary(error.code):
            return TurnedAway.NO
        return TurnedAway.FULL if _TOO_MANY.search(error.message) else TurnedAway.PERHAPS
    lost = isinstance(error, OSError | smtp.SMTPServerDisconnected | smtp.SMTPTimeoutError)
    tls = isinstance(error, ssl.SSLError) or (error and isinstance(error.__cause__, ssl.SSLError))
    return TurnedAway.PERHAPS if lost and not tls else TurnedAway.NO


def _is_temporary(code: int) -> bool:
    return 400 <= code < 500  # noqa: PLR2004 - the class of a reply


def _classify(error: BaseException, stage: Stage) -> Failed:
    rule = next((RULES[known] for known in type(error).__mro__ if known in RULES), Rule.CANNOT)
    if rule is Rule.REPLY and isinstance(error, smtp.SMTPResponseException) and error.code > 0:
        return classify_reply(error.code, error.message, stage)
    if stage is Stage.TEXT:
        return Failed(_A, "The SMTP server did not confirm the e-mail; whether it was sent is not known")
    if isinstance(error, NoTlsError):
        return Failed(_R, _NO_TLS)
    if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
        return Failed(_R, "The SMTP server's certificate or TLS was refused; nothing was sent")
    return Failed(_P, _cannot(error, stage)) if rule is Rule.CANNOT else Failed(_R, _silence(error, stage))


def classify_reply(code: int, text: str, stage: Stage) -> Failed:
    """Say what a reply other than success means. `text` is read, and not passed on."""
    enhanced = _ENHANCED.match(text)
    shown = f"{code} {enhanced[0]}" if enhanced else str(code)
    sentence = _STAGES[stage]
    if turned_away(smtp.SMTPResponseException(code, text), stage) is TurnedAway.FULL:
        sentence = _TURNED_AWAY
    elif code == _SERVICE_NOT_AVAILABLE:
        sentence = "The SMTP server is not available just now"
    elif enhanced:
        sentence = SENTENCES.get(enhanced[0]) or SENTENCES.get(enhanced[2]) or sentence
    # The reply's class decides; RFC 5321 knows 4xx and 5xx, and anything else is as good as a no.
    # A refused log-in says nothing of this e-mail: it goes out once the credentials are right.
    temporary = _is_temporary(code) or stage is Stage.LOGIN
    kind = _R if temporary else _P
    return Failed(kind, f"{sentence} ({shown})", code=shown)


def _silence(error: BaseException, stage: Stage) -> str:
    if isinstance(error, TimeoutError):
        return "The SMTP server did not answer in time; nothing was sent"
    if stage is Stage.CONNECT:
        return "The SMTP server cannot be reached"
    return "The connection to the SMTP server was lost before anything was sent"


def _cannot(error: BaseException, stage: Stage) -> str:
    if isinstance(error, smtp.SMTPNotSupported):
        return _NO_UTF8
    if stage is Stage.LOGIN:
        return "The SMTP server offers no way to log in that we know: check SMTP_URL"
    return "The e-mail cannot be handed to the SMTP server: an address or its reply is not one we understand"
