"""What an SMTP server's refusals and silences mean. Pure: one table and one decision.

    before the text was handed over   nothing was sent: by the reply, see `smtp_replies`;
                                      no reply at all RETRYABLE
    while it was handed over          a reply is definite, by its class; no reply is AMBIGUOUS

TLS that cannot be had, a bad certificate and a log-in that the server does not offer are RETRYABLE: nothing
was sent, and it is put right at the server or in our settings, not in the message.
"""

import ssl
from collections.abc import Mapping
from enum import Enum, auto

import aiosmtplib as smtp

from messages.outcomes import ActionBy, Failed, FailureKind
from worker.channels.smtp_replies import BEFORE_MAIL, Stage, classify_reply, is_temporary, says_too_many

_P, _R, _A = FailureKind.PERMANENT, FailureKind.RETRYABLE, FailureKind.AMBIGUOUS


class UnsuitableServerError(smtp.SMTPException):
    """The server lacks what our settings need. The text is a sentence that names the setting."""


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

_NOT_CONFIRMED = "The SMTP server did not confirm the e-mail; whether it was sent is not known"
_CERTIFICATE = (
    "The SMTP server's certificate is not valid for the host in SMTP_URL, or nobody we trust vouches for it; "
    "nothing was sent"
)
_TLS = (
    "TLS with the SMTP server failed, and nothing was sent: check the port in SMTP_URL, and whether it is "
    "smtp:// or smtps:// there (a certificate or TLS version may have been refused)"
)
_NO_UTF8 = (
    "The part of an address before the @ is not in ASCII, and the SMTP server cannot take that (no SMTPUTF8)"
)
_CANNOT = "The e-mail cannot be handed to the SMTP server: an address or its reply is not one we understand"
_UNUSABLE = "The SMTP server cannot be used: check the host and port in SMTP_URL"


def classify(error: BaseException, stage: Stage) -> Failed:
    """Say what an exception that aiosmtplib raised at `stage` means."""
    rule = next((RULES[known] for known in type(error).__mro__ if known in RULES), Rule.CANNOT)
    if rule is Rule.REPLY and isinstance(error, smtp.SMTPResponseException) and error.code > 0:
        return classify_reply(error.code, error.message, stage)
    if stage is Stage.TEXT:
        return Failed(_A, _NOT_CONFIRMED, provider_trouble=_is_silence(error), action_by=ActionBy.NOBODY)
    if rule is not Rule.CANNOT and not _is_tls(error):
        return Failed(_R, _silence(error, stage), provider_trouble=True, action_by=ActionBy.NOBODY)
    if sentence := _of_settings(error, stage):
        return Failed(_R, sentence, provider_trouble=True, action_by=ActionBy.OPERATOR)
    sentence = _NO_UTF8 if isinstance(error, smtp.SMTPNotSupported) else _CANNOT
    return Failed(_P, sentence, action_by=ActionBy.OPERATOR)


def turned_away(error: BaseException | None, stage: Stage) -> TurnedAway:
    """Say whether we got no connection because the server has too many. Certificates are another matter."""
    if stage not in BEFORE_MAIL:
        return TurnedAway.NO
    if isinstance(error, smtp.SMTPResponseException) and error.code > 0:
        if not is_temporary(error.code):
            return TurnedAway.NO
        return TurnedAway.FULL if says_too_many(error.code, error.message) else TurnedAway.PERHAPS
    lost = isinstance(error, OSError | smtp.SMTPServerDisconnected | smtp.SMTPTimeoutError)
    return TurnedAway.PERHAPS if lost and not _is_tls(error) else TurnedAway.NO


def _of_settings(error: BaseException, stage: Stage) -> str | None:
    """A sentence where the server and our settings do not fit; None where it is about this e-mail."""
    if isinstance(error, UnsuitableServerError):
        return str(error)
    if _is_tls(error):
        return _tls_sentence(error)
    return _UNUSABLE if stage in BEFORE_MAIL else None


def _is_silence(error: BaseException) -> bool:
    return not isinstance(error, smtp.SMTPNotSupported | ValueError)


def _is_tls(error: BaseException | None) -> bool:
    return isinstance(error, ssl.SSLError) or (
        error is not None and isinstance(error.__cause__, ssl.SSLError)
    )


def _tls_sentence(error: BaseException) -> str:
    wrong = ssl.SSLCertVerificationError
    return _CERTIFICATE if isinstance(error, wrong) or isinstance(error.__cause__, wrong) else _TLS


def _silence(error: BaseException, stage: Stage) -> str:
    if isinstance(error, TimeoutError):
        return "The SMTP server did not answer in time; nothing was sent"
    if stage is Stage.CONNECT:
        return "The SMTP server cannot be reached"
    return "The connection to the SMTP server was lost before anything was sent"
