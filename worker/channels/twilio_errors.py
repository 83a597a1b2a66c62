"""What Twilio's refusals mean, and how its HTTP answers are told apart. Pure: data and one decision.

First the HTTP status, because it says whether the request was taken up at all; then Twilio's own code:

    2xx  accepted
    429  not taken up, too many at once                         RETRYABLE
    5xx, 408  taken up or not, nobody knows                     AMBIGUOUS
    other     refused: `CODES` says why, and whether for good   PERMANENT unless the code says otherwise

Twilio's own error text quotes phone numbers and is never passed on; the sentences here are ours.
Source of the codes: https://www.twilio.com/docs/api/errors
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from messages.outcomes import Failed, FailureKind

_P, _R, _A = FailureKind.PERMANENT, FailureKind.RETRYABLE, FailureKind.AMBIGUOUS


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a Twilio code means: how it failed, and a sentence for people without its final full stop."""

    kind: FailureKind
    sentence: str
    opted_out: bool = False  #: the recipient does not want messages


CODES: Mapping[int, Meaning] = {
    14107: Meaning(_R, "Twilio is sending from this number as fast as it may; it will take more later"),
    20003: Meaning(_R, "Twilio refused the credentials: check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN"),
    20005: Meaning(_P, "The Twilio account is not active: see its console"),
    20404: Meaning(_P, "Twilio knows no such account: check TWILIO_ACCOUNT_SID and TWILIO_BASE_URL"),
    20429: Meaning(_R, "Twilio gets too many requests just now; it will take more later"),
    21211: Meaning(_P, "Twilio refused the number: it is not a valid phone number"),
    21212: Meaning(
        _P, "Twilio refused the sender: it is not a valid number; check internalPhoneNumber or SENDER_PHONE"
    ),
    21214: Meaning(_P, "Twilio refused the number: it cannot be reached"),
    21217: Meaning(_P, "Twilio refused the number: it does not look like a phone number"),
    21219: Meaning(_P, "A Twilio trial account can send to verified numbers only: verify it, or upgrade"),
    21265: Meaning(_P, "Twilio refused the number: it is a short code"),
    21266: Meaning(_P, "Sender and recipient are the same number"),
    21408: Meaning(_P, "Twilio may not send to that country: allow it under Geo Permissions in its console"),
    21601: Meaning(_P, "The sender's number cannot send SMS: use another as SENDER_PHONE"),
    21602: Meaning(_P, "The message has no text: Twilio does not send an empty one"),
    21603: Meaning(_P, "Twilio was told no sender: set SENDER_PHONE or TWILIO_MESSAGING_SERVICE_SID"),
    21604: Meaning(_P, "Twilio was told no recipient"),
    21605: Meaning(_P, "The text is longer than Twilio allows"),
    21606: Meaning(_P, "The sender's number is not one of this Twilio account, or cannot send SMS"),
    21607: Meaning(_P, "The sender's number must be one of this Twilio account"),
    21608: Meaning(_P, "A Twilio trial account can send to verified numbers only: verify it, or upgrade"),
    21609: Meaning(_P, "Twilio refused the status callback's address: check PUBLIC_URL"),
    21610: Meaning(_P, "The recipient has opted out of messages from this sender", opted_out=True),
    21611: Meaning(_R, "Twilio's queue for this sender is full; it will take more later"),
    21612: Meaning(_P, "Twilio cannot reach this number from this sender"),
    21614: Meaning(_P, "Twilio refused the number: it is not a mobile number"),
    21617: Meaning(_P, "The text is longer than the 1,600 characters that Twilio allows"),
    21620: Meaning(_P, "Twilio refused an attachment: its URL is not valid; check PUBLIC_URL"),
    21623: Meaning(_P, "There are more attachments than the 10 that Twilio sends with one message"),
    21635: Meaning(_P, "Twilio refused the number: it is a landline"),
    21659: Meaning(_P, "The sender's number is not a Twilio number, or not of the recipient's country"),
    21660: Meaning(
        _P, "The sender's number is not one of this Twilio account: check internalPhoneNumber or SENDER_PHONE"
    ),
    21701: Meaning(_P, "The messaging service does not exist: check TWILIO_MESSAGING_SERVICE_SID"),
    21703: Meaning(_P, "The messaging service has no number to send from: add one in Twilio's console"),
    21704: Meaning(_P, "The messaging service has no number to send from: add one in Twilio's console"),
    30001: Meaning(_R, "Twilio's queue for this sender is full; it will take more later"),
    30002: Meaning(_P, "The Twilio account is suspended: see its console"),
    30003: Meaning(_P, "The phone cannot be reached: it is switched off, or not in service"),
    30004: Meaning(_P, "The recipient's carrier or phone blocks the message"),
    30005: Meaning(_P, "The number is unknown, or no longer in service"),
    30006: Meaning(_P, "The number is a landline, or its carrier cannot be reached"),
    30007: Meaning(_P, "The carrier filtered the message out as unwanted"),
    30022: Meaning(_R, "The carrier's limit for this sender is reached; it will take more later"),
    30032: Meaning(_P, "The sender is an unverified toll-free number: verify it in Twilio's console"),
    30034: Meaning(_P, "The sender is not registered for A2P 10DLC: register it in Twilio's console"),
    63018: Meaning(_R, "The limit of messages a second is reached; Twilio will take more later"),
    63038: Meaning(_R, "The limit of messages a day is reached; Twilio will take more later"),
}

_CREDENTIALS = CODES[20003].sentence
_MOVED = "Twilio's address answers with a redirect: check TWILIO_BASE_URL"
_BUSY = CODES[20429].sentence
_BROKEN = "Twilio had an error of its own; whether it sent the message is not known"
_OTHER = "Twilio refused the message, for a reason that is not in our list"


def classify(
    status: int, code: int | None, retry_after: float | None = None, codes: Mapping[int, Meaning] = CODES
) -> Failed:
    """Say what an answer other than 2xx means. `code`: Twilio's, if there was one; `retry_after`: seconds."""
    shown = str(code or f"HTTP {status}")
    meaning = _by_status(status) or codes.get(code or 0) or _fallback(status)
    refuses_us = status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    return Failed(
        meaning.kind,
        f"{meaning.sentence} ({shown})",
        code=shown,
        retry_after=retry_after if meaning.kind is _R else None,
        opted_out=meaning.opted_out,
        provider_trouble=refuses_us or status >= HTTPStatus.INTERNAL_SERVER_ERROR,
    )


def _by_status(status: int) -> Meaning | None:
    """Say what the status alone decides, whatever the code."""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Meaning(_R, _BUSY)
    if status == HTTPStatus.REQUEST_TIMEOUT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Meaning(_A, _BROKEN)
    if status < HTTPStatus.BAD_REQUEST:
        return Meaning(_P, _MOVED)
    return None


def _fallback(status: int) -> Meaning:
    refused_us = status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    # Refused credentials say nothing of this message: it goes out once they are right.
    return Meaning(_R, _CREDENTIALS) if refused_us else Meaning(_P, _OTHER)
