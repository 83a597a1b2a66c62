"""What Twilio's codes mean: our own table, and TWILIO_ERRORS_FILE, which says it differently.

    {"30003": {"kind": "retryable"},
     "21999": {"kind": "permanent", "sentence": "The number was ported away", "actionBy": "recipient"}}

Of a code in our own table, what is left out stays as it is there.
Source of the codes: https://www.twilio.com/docs/api/errors
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from messages.errors import SettingsError
from messages.outcomes import ActionBy, FailureKind
from messages.wording import kind_of, shown

_P, _R = FailureKind.PERMANENT, FailureKind.RETRYABLE
_RECIPIENT, _SENDER, _CONTENT = ActionBy.RECIPIENT, ActionBy.SENDER, ActionBy.CONTENT
_OPERATOR, _NOBODY = ActionBy.OPERATOR, ActionBy.NOBODY


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a Twilio code means: how it failed, and a sentence for people without its final full stop."""

    kind: FailureKind
    sentence: str
    action_by: ActionBy = ActionBy.OPERATOR
    opted_out: bool = False  #: the recipient does not want messages

    @property
    def of_the_account(self) -> bool:
        """Whether it is trouble of the account or our settings: any other SMS would fare the same."""
        return self.kind is FailureKind.RETRYABLE and self.action_by is ActionBy.OPERATOR


#: Twilio did not send a message within its ValidityPeriod.
EXPIRED_AT_TWILIO = 30036

CODES: Mapping[int, Meaning] = {
    14107: Meaning(
        _R, "Twilio is sending from this number as fast as it may; it will take more later", _NOBODY
    ),
    20003: Meaning(
        _R, "Twilio refused the credentials: check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN", _OPERATOR
    ),
    20005: Meaning(_R, "The Twilio account is not active: see its console", _OPERATOR),
    20404: Meaning(
        _P, "Twilio knows no such account: check TWILIO_ACCOUNT_SID and TWILIO_BASE_URL", _OPERATOR
    ),
    20429: Meaning(_R, "Twilio gets too many requests just now; it will take more later", _NOBODY),
    21211: Meaning(_P, "Twilio refused the number: it is not a valid phone number", _RECIPIENT),
    21212: Meaning(
        _P,
        "Twilio refused the sender: it is not a valid number; check internalPhoneNumber or SENDER_PHONE",
        _SENDER,
    ),
    21214: Meaning(_P, "Twilio refused the number: it cannot be reached", _RECIPIENT),
    21217: Meaning(_P, "Twilio refused the number: it does not look like a phone number", _RECIPIENT),
    21219: Meaning(
        _P, "A Twilio trial account can send to verified numbers only: verify it, or upgrade", _OPERATOR
    ),
    21265: Meaning(_P, "Twilio refused the number: it is a short code", _RECIPIENT),
    21266: Meaning(_P, "Sender and recipient are the same number", _SENDER),
    21408: Meaning(
        _P, "Twilio may not send to that country: allow it under Geo Permissions in its console", _OPERATOR
    ),
    21601: Meaning(_P, "The sender's number cannot send SMS: use another as SENDER_PHONE", _SENDER),
    21602: Meaning(_P, "The message has no text: Twilio does not send an empty one", _CONTENT),
    21603: Meaning(
        _P, "Twilio was told no sender: set SENDER_PHONE or TWILIO_MESSAGING_SERVICE_SID", _OPERATOR
    ),
    21604: Meaning(_P, "Twilio was told no recipient", _SENDER),
    21605: Meaning(_P, "The text is longer than Twilio allows", _CONTENT),
    21606: Meaning(_P, "The sender's number is not one of this Twilio account, or cannot send SMS", _SENDER),
    21607: Meaning(_P, "The sender's number must be one of this Twilio account", _SENDER),
    21608: Meaning(
        _P, "A Twilio trial account can send to verified numbers only: verify it, or upgrade", _OPERATOR
    ),
    21609: Meaning(_R, "Twilio refused the status callback's address: check PUBLIC_URL", _OPERATOR),
    21610: Meaning(
        _P, "The recipient has opted out of messages from this sender", _RECIPIENT, opted_out=True
    ),
    21611: Meaning(_R, "Twilio's queue for this sender is full; it will take more later", _NOBODY),
    21612: Meaning(_P, "Twilio cannot reach this number from this sender", _SENDER),
    21614: Meaning(_P, "Twilio refused the number: it is not a mobile number", _RECIPIENT),
    21617: Meaning(_P, "The text is longer than the 1,600 characters that Twilio allows", _CONTENT),
    21620: Meaning(_P, "Twilio refused an attachment: its URL is not valid; check PUBLIC_URL", _OPERATOR),
    21623: Meaning(_P, "There are more attachments than the 10 that Twilio sends with one message", _CONTENT),
    21635: Meaning(_P, "Twilio refused the number: it is a landline", _RECIPIENT),
    21656: Meaning(_P, "The variables for Twilio's content template are not valid", _CONTENT),
    21659: Meaning(
        _P, "The sender's number is not a Twilio number, or not of the recipient's country", _SENDER
    ),
    21660: Meaning(
        _P,
        "The sender's number is not one of this Twilio account: check internalPhoneNumber or SENDER_PHONE",
        _SENDER,
    ),
    21701: Meaning(_R, "The messaging service does not exist: check TWILIO_MESSAGING_SERVICE_SID", _OPERATOR),
    21703: Meaning(
        _R, "The messaging service has no number to send from: add one in Twilio's console", _OPERATOR
    ),
    21704: Meaning(
        _R, "The messaging service has no number to send from: add one in Twilio's console", _OPERATOR
    ),
    30001: Meaning(_R, "Twilio's queue for this sender is full; it will take more later", _NOBODY),
    30002: Meaning(_R, "The Twilio account is suspended: see its console", _OPERATOR),
    30003: Meaning(_P, "The phone cannot be reached: it is switched off, or not in service", _RECIPIENT),
    30004: Meaning(_P, "The recipient's carrier or phone blocks the message", _RECIPIENT),
    30005: Meaning(_P, "The number is unknown, or no longer in service", _RECIPIENT),
    30006: Meaning(_P, "The number is a landline, or its carrier cannot be reached", _RECIPIENT),
    30007: Meaning(_P, "The carrier filtered the message out as unwanted", _CONTENT),
    30008: Meaning(_P, "The carrier could not deliver the message and gave no reason", _OPERATOR),
    30019: Meaning(_P, "The message with its attachments is larger than the carrier allows", _CONTENT),
    30022: Meaning(_R, "The carrier's limit for this sender is reached; it will take more later", _NOBODY),
    30023: Meaning(
        _R,
        "The carrier's daily limit for this business (A2P 10DLC) is reached, until midnight Pacific Time",
        _NOBODY,
    ),
    30024: Meaning(
        _P,
        "The recipient's carrier does not know the sender's number: register it there by Twilio's support",
        _OPERATOR,
    ),
    30032: Meaning(
        _P, "The sender is an unverified toll-free number: verify it in Twilio's console", _OPERATOR
    ),
    30034: Meaning(
        _P, "The sender is not registered for A2P 10DLC: register it in Twilio's console", _OPERATOR
    ),
    EXPIRED_AT_TWILIO: Meaning(
        _P, "The message waited at Twilio until it was too old to be sent (expiresAt)", _SENDER
    ),
    30410: Meaning(_R, "The carrier did not answer Twilio in time", _NOBODY),
    30453: Meaning(
        _R,
        "Twilio holds messages to this number back for some hours, as traffic to it looks like SMS pumping",
        _NOBODY,
    ),
    30500: Meaning(_R, "Twilio or the carrier had an error of its own", _NOBODY),
    63018: Meaning(_R, "The limit of messages a second is reached; Twilio will take more later", _NOBODY),
    63038: Meaning(_R, "The limit of messages a day is reached; Twilio will take more later", _NOBODY),
}

_MEMBERS = ("kind", "sentence", "optedOut", "actionBy")


def read_codes(path: Path | None) -> Mapping[int, Meaning]:
    """The meanings that the file at `path` gives; none without a file. Raises SettingsError, in one line."""
    if path is None:
        return {}
    try:
        given = _object(json.loads(path.read_text("utf-8")))
        return dict(_entry(code, entry) for code, entry in given.items())
    except OSError as error:
        raise SettingsError(f"TWILIO_ERRORS_FILE: {path} cannot be read: {error.strerror}") from None
    except ValueError as error:  # not JSON, or not UTF-8, or ours
        raise SettingsError(f"TWILIO_ERRORS_FILE: {path}: {error}") from None


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"it is {kind_of(value)}, not an object")  # noqa: TRY004 - one kind for all
    return value


def _entry(code: str, entry: Any) -> tuple[int, Meaning]:
    if not (code.isascii() and code.isdigit() and len(code) == len("21211")):
        raise ValueError(f"{shown(code)} is no code of Twilio; they have five digits")
    try:
        return int(code), _meaning(entry, CODES.get(int(code)))
    except ValueError as error:
        raise ValueError(f"code {code}: {error}") from None


def _meaning(entry: Any, known: Meaning | None) -> Meaning:
    for name in _object(entry).keys() - set(_MEMBERS):
        raise ValueError(f"{shown(name)} is not known here; there are {', '.join(_MEMBERS)}")
    full = {"optedOut": False} | (_as_given(known) if known else {}) | entry
    for name in ("kind", "sentence"):
        if name not in full:
            raise ValueError(f"{name} is missing, and this code is not in our own table")
    kind, opted_out = _kind(full["kind"]), _truth(full["optedOut"])
    action_by = (
        _action_by(full["actionBy"]) if "actionBy" in full else _usual_action(kind, opted_out=opted_out)
    )
    return Meaning(kind, _sentence(full["sentence"]), action_by, opted_out)


def _as_given(known: Meaning) -> dict[str, Any]:
    return {
        "kind": known.kind,
        "sentence": known.sentence,
        "optedOut": known.opted_out,
        "actionBy": known.action_by,
    }


def _usual_action(kind: FailureKind, *, opted_out: bool) -> ActionBy:
    """Who has to act where the file does not say: nobody while it is tried again."""
    if opted_out:
        return ActionBy.RECIPIENT
    return ActionBy.OPERATOR if kind is FailureKind.PERMANENT else ActionBy.NOBODY


def _kind(value: Any) -> FailureKind:
    if not isinstance(value, str) or value not in set(FailureKind):
        raise ValueError(f"kind is {shown(value)}; it must be one of {', '.join(FailureKind)}")
    return FailureKind(value)


def _action_by(value: Any) -> ActionBy:
    if not isinstance(value, str) or value not in set(ActionBy):
        raise ValueError(f"actionBy is {shown(value)}; it must be one of {', '.join(ActionBy)}")
    return ActionBy(value)


def _sentence(value: Any) -> str:
    if not isinstance(value, str) or not value.strip(" .") or not value.isprintable():
        raise ValueError(f"sentence is {shown(value)}; it must be a line of text for people")
    return value.strip(" .")


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"optedOut is {shown(value)}; it must be true or false")  # noqa: TRY004
    return value
