"""Receipts: where Twilio reports what became of an SMS, how to tell that it is Twilio, and what it says.

The Delivery's id is in the address, so that a report proves acceptance even where the answer was lost.
"""

import hmac
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha1
from urllib.parse import quote, urlsplit

from messages.outcomes import ActionBy
from messages.reconciliation import Ended
from messages.states import DeliveryState, sources_of
from messages.twilio_codes import EXPIRED_AT_TWILIO, Meaning

#: With a Delivery's id after it.
TWILIO_PATH = "/api/receipts/twilio/"

#: What names a message at Twilio, as its API reference says.
_SID = re.compile("(?:SM|MM)[0-9a-fA-F]{32}")

_CODE = re.compile("[0-9]{1,9}")

_DEFAULT_PORTS = {"http": 80, "https": 443}

#: What of a message's `status` says that it ended badly. `canceled`: by somebody in Twilio's console.
_ENDED = {
    "failed": Ended(DeliveryState.FAILED, "Twilio took the message, and could not send it"),
    "canceled": Ended(DeliveryState.FAILED, "Twilio took the message, and it was canceled there"),
    "undelivered": Ended(
        DeliveryState.UNDELIVERED,
        "Twilio sent the message, and it could not be delivered",
        action_by=ActionBy.RECIPIENT,
    ),
}

#: What says that it arrived, whatever its error code.
_ARRIVED = ("delivered", "read")


def is_twilio_sid(given: object) -> bool:
    """Whether it is the SID of a message: anything else may not even be fit for the store."""
    return isinstance(given, str) and _SID.fullmatch(given) is not None


def ended_badly(status: object, code: object, codes: Mapping[int, Meaning]) -> Ended | None:
    """What a message's status and error code say went wrong, in a list or a report; None: nothing has.

    `code`: a number, or the text of one, or nothing. `codes`: what they mean.
    """
    number = int(str(code)) if _CODE.fullmatch(str(code)) else None
    meaning = codes.get(number) if number is not None else None
    if meaning is not None and meaning.opted_out and status not in _ARRIVED:
        return Ended(
            DeliveryState.SUPPRESSED, f"{meaning.sentence} ({number})", str(number), meaning.action_by
        )
    if not isinstance(status, str) or status not in _ENDED:
        return None
    ended = _ENDED[status]
    if number is None:
        return replace(ended, reason=f"{ended.reason}.")
    if meaning is None:
        return replace(ended, reason=f"{ended.reason} ({number})", code=str(number))
    # Nothing changes what has ended: where waiting would have been enough, somebody has to send it again.
    action_by = ended.action_by if meaning.action_by is ActionBy.NOBODY else meaning.action_by
    if number == EXPIRED_AT_TWILIO:
        return Ended(DeliveryState.UNDELIVERED, f"{meaning.sentence} ({number})", str(number), action_by)
    return Ended(ended.state, f"{ended.reason}: {meaning.sentence} ({number})", str(number), action_by)


def moves_of(before: DeliveryState, reported: DeliveryState, *, is_first: bool) -> Sequence[DeliveryState]:
    """The moves that a report makes of a Delivery in state `before`; none where it says nothing new.

    What has left the provider was sent, and is not sent again whatever became of it. What failed there was
    not: while a later attempt waits or is under way, it goes on. `is_first`: there was no earlier attempt,
    so that one that is under way is the one that is reported.
    """
    if reported is DeliveryState.FAILED and before is DeliveryState.SENT:
        return [DeliveryState.UNDELIVERED]
    not_sent = reported in (DeliveryState.FAILED, DeliveryState.SUPPRESSED)
    if not_sent and before is DeliveryState.SENDING and not is_first:
        return []
    if reported is DeliveryState.UNDELIVERED and before in (DeliveryState.QUEUED, DeliveryState.SENDING):
        return [DeliveryState.SENT, reported]
    return [reported] if before in sources_of(reported) else []


def twilio_callback(base: str, delivery_id: str) -> str:
    """The StatusCallback of a Delivery; `base` is PUBLIC_URL without a trailing slash."""
    return base + TWILIO_PATH + quote(delivery_id, safe="")


def twilio_signature(token: str, url: str, form: Mapping[str, Sequence[str]]) -> str:
    """What Twilio puts into `X-Twilio-Signature`.

    Source: "Validating requests are coming from Twilio" in https://www.twilio.com/docs/usage/security
    """
    signed = url + "".join(name + value for name in sorted(form) for value in sorted(set(form[name])))
    # SHA-1 is Twilio's choice; as an HMAC it is sound.
    return b64encode(hmac.new(token.encode(), signed.encode(), sha1).digest()).decode()


def is_from_twilio(token: str, url: str, form: Mapping[str, Sequence[str]], signature: str) -> bool:
    """Whether `signature` is Twilio's for this request. Constant time."""
    wanted = (twilio_signature(token, one, form).encode() for one in _spellings(url))
    return any(hmac.compare_digest(one, signature.encode()) for one in wanted)


def _spellings(url: str) -> Iterable[str]:
    """With and without its port: Twilio is not consistent in which of the two it signs."""
    parts = urlsplit(url)
    host = parts.netloc.removesuffix(f":{parts.port}") if parts.port else parts.netloc
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    return {parts._replace(netloc=netloc).geturl() for netloc in (host, f"{host}:{port}")}
