"""Receipts: where Twilio reports what became of an SMS, and how to tell that it is Twilio.

The Delivery's id is in the address, so that a report proves acceptance even where the answer was lost.
"""

import hmac
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha1
from urllib.parse import quote, urlsplit

#: With a Delivery's id after it.
TWILIO_PATH = "/api/receipts/twilio/"

#: What names a message at Twilio, as its API reference says.
_SID = re.compile("(?:SM|MM)[0-9a-fA-F]{32}")

_DEFAULT_PORTS = {"http": 80, "https": 443}


def is_twilio_sid(given: object) -> bool:
    """Whether it is the SID of a message: anything else may not even be fit for the store."""
    return isinstance(given, str) and _SID.fullmatch(given) is not None


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
