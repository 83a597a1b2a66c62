"""Who may come in: whoever has a key; without any key set, only this machine."""

import hmac
import ipaddress
import re
from collections.abc import Sequence

from fastapi import Request

from intake.answers import Refusal

_PORT = re.compile(r":[0-9]{1,5}$")
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Gate:
    """Checks `Authorization: Bearer …` against the keys, in constant time."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = [key.encode() for key in keys]

    def check(self, request: Request) -> None:
        """Raises Refusal (401) for a request that may not come in."""
        if self._keys:
            self._check_key(request.headers.get("authorization", ""))
        elif not _from_this_machine(request):
            raise Refusal(
                401, "No API_KEYS are set, so only this machine is served; set them to serve others."
            )

    def _check_key(self, header: str) -> None:
        scheme, _, given = header.partition(" ")
        # Every key is compared, so that the time tells nothing of which one nearly fitted.
        matches = [hmac.compare_digest(given.strip().encode(), key) for key in self._keys]
        if scheme.lower() != "bearer" or not any(matches):
            message = "Authorization is missing or wrong; send `Authorization: Bearer <one of API_KEYS>`."
            raise Refusal(401, message, {"WWW-Authenticate": "Bearer"})


def _from_this_machine(request: Request) -> bool:
    """Also the Host must be local: a page in a browser here may be somebody else's (DNS rebinding)."""
    host = request.headers.get("host", "").lower()
    return _PORT.sub("", host) in _LOOPBACK_NAMES and _is_loopback(
        request.client.host if request.client else ""
    )


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
