"""Who may come in: whoever has a key; without any key set, only this machine."""

import hashlib
import hmac
import re
from collections.abc import Sequence
from functools import lru_cache

from fastapi import Request

from intake.answers import Refusal
from intake.client_address import UNKNOWN_CLIENT, parse_address

_PORT = re.compile(r":[0-9]{1,5}$")
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})

#: How many hosts and addresses: they are the same few in every request.
_REMEMBERED = 16


class Gate:
    """Checks `Authorization: Bearer …` against the keys, in constant time."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = [key.encode() for key in keys]

    def check(self, request: Request) -> str:
        """Who it is, for events: `API key 1f2e3d4c`, `this machine`. Raises Refusal (401) for the others."""
        if self._keys:
            return self._check_key(request.headers.get("authorization", ""))
        if request.scope.get(UNKNOWN_CLIENT):
            raise Refusal(
                401,
                "No API_KEYS are set, and a proxy forwarded this request; set API_KEYS, or name the proxy in "
                "TRUSTED_PROXIES so that clients on this machine are recognized.",
            )
        if not _from_this_machine(request):
            raise Refusal(
                401, "No API_KEYS are set, so only this machine is served; set them to serve others."
            )
        return "this machine"

    def _check_key(self, header: str) -> str:
        scheme, _, given = header.partition(" ")
        # Every key is compared, so that the time tells nothing of which one nearly fitted.
        matches = [hmac.compare_digest(given.strip().encode(), key) for key in self._keys]
        if scheme.lower() != "bearer" or not any(matches):
            message = "Authorization is missing or wrong; send `Authorization: Bearer <one of API_KEYS>`."
            raise Refusal(401, message, {"WWW-Authenticate": "Bearer"})
        return f"API key {fingerprint(given.strip())}"


def fingerprint(key: str) -> str:
    """What may be shown of a key: the first eight digits of its SHA-256, `printf %s KEY | sha256sum`."""
    return hashlib.sha256(key.encode()).hexdigest()[:8]


def _from_this_machine(request: Request) -> bool:
    """Also Host and Origin must be local: a page in a browser here may be somebody else's.

    The Host shows DNS rebinding; the Origin, a page elsewhere that has a form posted to us.
    """
    origin = request.headers.get("origin")
    if not _is_local_name(request.headers.get("host", "")):
        return False
    if origin is not None and not _is_local_name(origin.partition("://")[2]):
        return False
    return _is_loopback(request.client.host if request.client else "")


@lru_cache(_REMEMBERED)
def _is_local_name(host: str) -> bool:
    return _PORT.sub("", host.lower()) in _LOOPBACK_NAMES


def _is_loopback(text: str) -> bool:
    address = parse_address(text)
    return address is not None and address.is_loopback
