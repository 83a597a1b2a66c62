"""The address of the client of a request: the socket's peer, or what a proxy named in TRUSTED_PROXIES says.

uvicorn by itself believes the `X-Forwarded-For` of whoever FORWARDED_ALLOW_IPS names, 127.0.0.1 by default.
`roundsman intake` turns that off; where uvicorn serves without our options, it is undone here.
"""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from starlette.types import Receive, Scope

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_FORWARDED_FOR = b"x-forwarded-for"

#: Headers of which a proxy puts at least one on what it forwards. Only the first one is read: a proxy that
#: sets one of them may pass the others on as its client sent them.
_FORWARDING = frozenset({_FORWARDED_FOR, b"forwarded", b"x-real-ip"})

#: Set in a request's scope: a proxy that is not named has forwarded it, so its client is not known.
UNKNOWN_CLIENT = "roundsman.unknown_client"

#: Where a request's scope has the socket's peer, if our own protocol serves it.
PEER = "roundsman.peer"

#: How many addresses are remembered: they are the same few in every request.
_REMEMBERED = 1024


class ClientAddresses:
    """Says who a request comes from. `proxies` are those whose X-Forwarded-For is believed."""

    def __init__(self, proxies: Sequence[Network]) -> None:
        self._proxies = tuple(proxies)

    def put_into(self, scope: Scope, receive: Receive) -> None:
        """Set `client` in the scope of a request, and UNKNOWN_CLIENT where that applies."""
        peer = _peer(scope, receive)
        if peer is not None:
            scope["client"] = peer
        if _FORWARDING.isdisjoint([name for name, _ in scope["headers"]]):
            return
        given = b",".join(value for name, value in scope["headers"] if name == _FORWARDED_FOR)
        if peer is None or not self._is_proxy(peer[0]) or not given:
            scope[UNKNOWN_CLIENT] = True
            return
        scope["client"] = (self._nearest_unnamed(given.decode("latin-1").split(",")), 0)

    def _nearest_unnamed(self, chain: Sequence[str]) -> str:
        """The last address that is not itself a named proxy's: those before it, a client can make up."""
        addresses = [entry.strip() for entry in chain]
        unnamed = (address for address in reversed(addresses) if not self._is_proxy(address))
        return next(unnamed, addresses[0])

    def _is_proxy(self, address: str) -> bool:
        parsed = parse_address(address)
        return parsed is not None and any(parsed in network for network in self._proxies)


@lru_cache(_REMEMBERED)
def parse_address(text: str) -> Address | None:
    """The IP address, an IPv4 address mapped to IPv6 as IPv4. None if it is not one."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _peer(scope: Scope, receive: Receive) -> tuple[str, int] | None:
    """The peer of the socket; where the socket is not shown, what the server says; of a Unix socket None."""
    if PEER in scope:
        served: tuple[str, int] | None = scope[PEER]
        return served
    transport: Any = getattr(getattr(receive, "__self__", None), "transport", None)
    if transport is None:
        client = scope.get("client")
        return (client[0], client[1]) if client else None
    peer = transport.get_extra_info("peername")
    return (str(peer[0]), int(peer[1])) if isinstance(peer, tuple | list) else None
