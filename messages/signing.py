"""Signed paths: an attachment's content for whoever was given the URL, and for nobody else."""

import hmac
from hashlib import sha256
from urllib.parse import quote

#: How long a signed URL works, in milliseconds: longer than any provider takes to fetch it.
VALID_FOR = 7 * 24 * 3600 * 1000


def signed_path(key: bytes, attachment_id: str, filename: str, expires: int) -> str:
    """`/media/<id>/<expires>/<signature>/<filename>`; `expires` in ms since the epoch."""
    name = quote(filename, safe="")
    signature = _signature(key, attachment_id, expires)
    return f"/media/{quote(attachment_id, safe='')}/{expires}/{signature}/{name}"


def is_valid(key: bytes, attachment_id: str, expires: int, signature: str, now: int) -> bool:
    """Whether `signature` is ours and not too old. Constant time."""
    expected = _signature(key, attachment_id, expires).encode()
    return hmac.compare_digest(expected, signature.encode()) and now < expires


def _signature(key: bytes, attachment_id: str, expires: int) -> str:
    return hmac.new(key, f"{attachment_id}\n{expires}".encode(), sha256).hexdigest()
