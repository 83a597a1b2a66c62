"""What Twilio's refusals mean, and how its HTTP answers are told apart. Pure: data and one decision.

First the HTTP status, because it says whether the request was taken up at all; then Twilio's own code:

    2xx  accepted
    429  not taken up, too many at once                         RETRYABLE
    5xx, 408  taken up or not, nobody knows                     AMBIGUOUS
    other     refused: its code says why, and whether for good  PERMANENT unless the code says otherwise

Twilio's own error text quotes phone numbers and is never passed on; the sentences are ours.
"""

from collections.abc import Mapping
from http import HTTPStatus

from messages.outcomes import ActionBy, Failed, FailureKind
from messages.twilio_codes import CODES, Meaning

_P, _R, _A = FailureKind.PERMANENT, FailureKind.RETRYABLE, FailureKind.AMBIGUOUS

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
    refuses_us = status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN) or meaning.of_the_account
    return Failed(
        meaning.kind,
        f"{meaning.sentence} ({shown})",
        code=shown,
        retry_after=retry_after if meaning.kind is _R else None,
        opted_out=meaning.opted_out,
        action_by=meaning.action_by,
        provider_trouble=refuses_us or status >= HTTPStatus.INTERNAL_SERVER_ERROR,
    )


def _by_status(status: int) -> Meaning | None:
    """Say what the status alone decides, whatever the code."""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Meaning(_R, _BUSY, ActionBy.NOBODY)
    if status == HTTPStatus.REQUEST_TIMEOUT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Meaning(_A, _BROKEN, ActionBy.NOBODY)
    if status < HTTPStatus.BAD_REQUEST:
        return Meaning(_P, _MOVED, ActionBy.OPERATOR)
    return None


def _fallback(status: int) -> Meaning:
    refused_us = status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    # Refused credentials say nothing of this message: it goes out once they are right.
    return Meaning(_R, _CREDENTIALS) if refused_us else Meaning(_P, _OTHER)
