"""What an SMTP server's replies mean: tables, and functions of a reply and the stage it came at.

The first digit decides whether it is a yes, a no for now or a no for good (RFC 5321, 4.2). A no that concerns
the server or our settings, and not this e-mail, is RETRYABLE whatever its digit: the e-mail goes out once
that is put right. The server's own text may quote addresses and text; it is searched, and never passed on.
Source of the enhanced codes: RFC 3463 and https://www.iana.org/assignments/smtp-enhanced-status-codes
"""

import re
from collections.abc import Mapping
from enum import Enum, auto

from messages.outcomes import ActionBy, Failed, FailureKind

_P, _R, _A = FailureKind.PERMANENT, FailureKind.RETRYABLE, FailureKind.AMBIGUOUS
_RECIPIENT, _SENDER, _CONTENT = ActionBy.RECIPIENT, ActionBy.SENDER, ActionBy.CONTENT
_OPERATOR, _NOBODY = ActionBy.OPERATOR, ActionBy.NOBODY


class Stage(Enum):
    """How far an e-mail has come."""

    CONNECT = auto()  #: up to the greeting
    HELLO = auto()  #: EHLO, or HELO
    TLS = auto()  #: STARTTLS
    LOGIN = auto()  #: AUTH
    SENDER = auto()  #: MAIL
    RECIPIENT = auto()  #: RCPT
    DATA = auto()  #: DATA, before the text is written
    TEXT = auto()  #: the text is written: it may have been accepted


#: What comes before the first e-mail: a no at these stages is never about an e-mail.
BEFORE_MAIL = frozenset({Stage.CONNECT, Stage.HELLO, Stage.TLS, Stage.LOGIN})

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

#: Who has to act, by the same keys.
ACTIONS: Mapping[str, ActionBy] = {
    "4.7.1": _NOBODY, "4.7.0": _NOBODY, "4.2.1": _NOBODY,
    "1.1": _RECIPIENT, "1.2": _RECIPIENT, "1.3": _RECIPIENT, "1.6": _RECIPIENT, "1.8": _SENDER,
    "1.10": _RECIPIENT, "2.1": _RECIPIENT, "2.2": _RECIPIENT, "2.3": _CONTENT, "3.1": _NOBODY,
    "3.2": _NOBODY, "3.4": _CONTENT, "4.1": _NOBODY, "4.4": _OPERATOR, "4.5": _NOBODY, "5.3": _OPERATOR,
    "6.7": _OPERATOR, "7.0": _OPERATOR, "7.1": _OPERATOR, "7.8": _OPERATOR, "7.23": _OPERATOR,
    "7.25": _OPERATOR, "7.26": _OPERATOR,
}  # fmt: skip

#: Of those, what a server can mean before it was offered an e-mail.
_BEFORE_MAIL_KEYS = frozenset({"4.7.1", "4.7.0", "3.1", "3.2", "4.5", "7.8", "7.25"})

#: Where there is no enhanced code that says more.
_STAGES: Mapping[Stage, tuple[str, ActionBy]] = {
    Stage.CONNECT: ("The SMTP server does not let us in: check the host and port in SMTP_URL", _OPERATOR),
    Stage.HELLO: ("The SMTP server refused our greeting: check the host and port in SMTP_URL", _OPERATOR),
    Stage.TLS: ("The SMTP server refused STARTTLS: use smtps:// in SMTP_URL, or see SMTP_TLS", _OPERATOR),
    Stage.LOGIN: (
        "The SMTP server refused the credentials: check the user and password in SMTP_URL",
        _OPERATOR,
    ),
    Stage.SENDER: ("The SMTP server refused the sender", _SENDER),
    Stage.RECIPIENT: ("The SMTP server refused the recipient", _RECIPIENT),
    Stage.DATA: ("The SMTP server refused the e-mail", _OPERATOR),
    Stage.TEXT: ("The SMTP server refused the e-mail", _CONTENT),
}

#: What RFC 5321, 4.2.3 says of codes at one stage, where there is no enhanced code that says more.
_CODES: Mapping[tuple[int, Stage], tuple[str, ActionBy]] = {
    (551, Stage.RECIPIENT): ("The server says that the mailbox is elsewhere", _RECIPIENT),
    (552, Stage.RECIPIENT): (SENTENCES["2.2"], _RECIPIENT),
    (552, Stage.TEXT): (SENTENCES["3.4"], _CONTENT),
    (553, Stage.RECIPIENT): (SENTENCES["1.3"], _RECIPIENT),
    (556, Stage.RECIPIENT): (SENTENCES["1.10"], _RECIPIENT),
}

#: How servers say it (Postfix, Exim, Exchange, Gmail, SmartRelay …); no code of theirs means just that.
_TOO_MANY = re.compile(
    r"too many|concurren|simultaneous|connections? limit|maximum (number of )?connections", re.IGNORECASE
)
#: How servers say, to MAIL or RCPT, that it is our log-in which is missing (Exim, Exchange, sendmail …).
_WANTS_LOGIN = re.compile(
    r"auth(entication|orization)? (is )?required|authenticate first|not (yet )?(authenticated|logged in)"
    r"|(must|need to|please) (authenticate|log ?in)|log ?in first|send auth\b|requires (smtp )?auth",
    re.IGNORECASE,
)
_WANTS_TLS = re.compile(r"starttls|\btls\b|\bssl\b|encrypt", re.IGNORECASE)
_ENHANCED = re.compile(r"^[#(\[]?([245])\.(\d{1,3})\.(\d{1,3})(?!\d)", re.MULTILINE)

SERVICE_NOT_AVAILABLE = 421
_TOO_LARGE = 552
#: Of the log-in, to whatever command (RFC 4954, 6): required, required later, too weak, wrong, needs TLS.
_OF_THE_LOGIN = frozenset({530, 534, 535, 538})
_LOGIN_ENHANCED = frozenset({"7.8", "7.9", "7.10", "7.11", "7.57"})
#: The server does not know the command, finds it out of order, or takes no e-mail at all (RFC 7504).
_OF_THE_SERVER = frozenset({500, 502, 503, 504, 521})
_SYSTEM_ENHANCED = frozenset({"3.1", "3.2", "3.5"})  #: of the mail system, to MAIL

_LOG_IN = "The SMTP server wants us to log in: put a user and password that it takes into SMTP_URL"
_OVER_TLS = "The SMTP server takes e-mail over TLS only: set SMTP_TLS=required, or use smtps:// in SMTP_URL"
_OUT_OF_STEP = "The SMTP server does not understand our commands: check the host and port in SMTP_URL"
_NOT_SMTP = "The SMTP server gave an answer that SMTP does not have"
_NO_CONFIRMATION = "The SMTP server did not confirm the e-mail; whether it was sent is not known"
_NOT_AVAILABLE = "The SMTP server is not available just now"
_NOT_NOW = "The SMTP server does not take the e-mail just now"
_TURNED_AWAY = "The SMTP server has as many connections as it allows"


def is_yes(code: int) -> bool:
    """Whether a command was accepted (RFC 5321, 4.2: any 2xx)."""
    return code // 100 == 2  # noqa: PLR2004 - the class of a reply


def goes_on(code: int) -> bool:
    """Whether the server waits for the text (likewise: any 3xx)."""
    return code // 100 == 3  # noqa: PLR2004


def is_temporary(code: int) -> bool:
    """Whether it is a no for now."""
    return code // 100 == 4  # noqa: PLR2004


def is_no(code: int) -> bool:
    """Whether it is a no, for now or for good; what is neither yes nor no is none of SMTP's."""
    return code // 100 in (4, 5)


def says_too_many(code: int, text: str) -> bool:
    """Whether a server that lets us not in says that it has too many connections."""
    return is_temporary(code) and _TOO_MANY.search(text) is not None


def classify_reply(code: int, text: str, stage: Stage, *, sized: bool = False) -> Failed:
    """Say what a reply other than the hoped-for one means. `sized`: MAIL named the e-mail's size."""
    enhanced = _ENHANCED.search(text)
    number = "{}.{}.{}".format(*map(int, enhanced.groups())) if enhanced else ""
    shown = f"{code} {number}" if number else str(code)
    if not is_no(code):
        unsure = stage is Stage.TEXT
        reason = _NO_CONFIRMATION if unsure else _NOT_SMTP
        return _failed(_A if unsure else _R, reason, shown, _NOBODY if unsure else _OPERATOR, trouble=True)
    if stage in BEFORE_MAIL and says_too_many(code, text):
        return _failed(_R, _TURNED_AWAY, shown, _NOBODY, trouble=False)  # it is well, and serves others
    if code == SERVICE_NOT_AVAILABLE:
        return _failed(_R, _NOT_AVAILABLE, shown, _NOBODY, trouble=True)
    if ours := _of_server_or_settings(code, number, text, stage):
        return _failed(_R, ours, shown, _OPERATOR, trouble=True)
    sentence, action_by = _meaning(code, number, stage, sized=sized)
    if stage in BEFORE_MAIL:
        action = _NOBODY if is_temporary(code) else _OPERATOR
        return _failed(_R, sentence, shown, action, trouble=True)
    return _failed(_R if is_temporary(code) else _P, sentence, shown, action_by, trouble=False)


def _of_server_or_settings(code: int, enhanced: str, text: str, stage: Stage) -> str | None:
    """A sentence where a no concerns the server or our settings, although an e-mail was under way."""
    if stage in BEFORE_MAIL:
        return None
    topic = enhanced.partition(".")[2]
    of_the_login = code in _OF_THE_LOGIN or topic in _LOGIN_ENHANCED
    if stage in (Stage.SENDER, Stage.RECIPIENT):
        of_the_login |= not is_temporary(code) and _WANTS_LOGIN.search(text) is not None
    if of_the_login:
        if topic == "7.8":
            return SENTENCES["7.8"]
        return _OVER_TLS if _WANTS_TLS.search(text) else _LOG_IN
    if stage is not Stage.TEXT and code in _OF_THE_SERVER:
        return _OUT_OF_STEP
    if stage is Stage.SENDER and topic in _SYSTEM_ENHANCED:
        return SENTENCES.get(topic, _NOT_AVAILABLE)
    return None


def _meaning(code: int, enhanced: str, stage: Stage, *, sized: bool) -> tuple[str, ActionBy]:
    if code == _TOO_LARGE and stage is Stage.SENDER and sized:  # whatever else it says: RFC 1870, 6.1
        return SENTENCES["3.4"], ACTIONS["3.4"]
    # One whose first digit is not the reply's own contradicts it in just that.
    exact = enhanced if enhanced[:1] == str(code)[:1] else ""
    for key in (exact, enhanced.partition(".")[2]):
        if key in (_BEFORE_MAIL_KEYS if stage in BEFORE_MAIL else SENTENCES):
            return SENTENCES[key], ACTIONS[key]
    if is_temporary(code) and stage is not Stage.TLS:
        return (_NOT_AVAILABLE if stage in BEFORE_MAIL else _NOT_NOW), _NOBODY
    return _CODES.get((code, stage)) or _STAGES[stage]


def _failed(kind: FailureKind, sentence: str, code: str, action_by: ActionBy, *, trouble: bool) -> Failed:
    return Failed(kind, f"{sentence} ({code})", code=code, provider_trouble=trouble, action_by=action_by)
