"""Which IP addresses attachments may be fetched from: those of the public internet, and no others."""

import socket
import time
from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import psutil

Network = IPv4Network | IPv6Network

#: For so long the list of this machine's networks is used, in seconds; interfaces come and go.
_INTERFACES_FOR = 5.0

#: A network of fewer fixed bits is no link but a route to everything (a VPN): only its own address counts.
_SHORTEST_PREFIX = {4: 8, 6: 32}

#: Blocks that `is_global` lets through in some Python versions, or that are public by number only.
_NOT_PUBLIC: tuple[Network, ...] = tuple(
    ip_network(block)
    for block in (
        "100.64.0.0/10",  # carrier-grade NAT; also Alibaba's metadata service
        "168.63.129.16/32",  # Azure's metadata and DNS service, at a public number
        "192.0.0.0/24",  # protocol assignments; also Oracle's metadata service
        "192.88.99.0/24",  # 6to4 relays
        "198.18.0.0/15",  # benchmarks
        "64:ff9b:1::/48",  # NAT64 for local use: whatever it leads to is local
        "100::/64",  # discard
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
        "fec0::/10",  # site-local
    )
)

_NAT64 = ip_network("64:ff9b::/96")
_IPV4_COMPATIBLE = ip_network("::/96")


class AddressRules:
    """Which addresses may be connected to: public ones that are neither denied nor this machine's own.

    `denied`: networks in CIDR notation. `interfaces`: gives the networks of this machine's interfaces, each
    of which is refused as a whole: what is on the same link is inside, whatever its number.
    """

    def __init__(self, denied: Iterable[str], interfaces: Callable[[], list[Network]] | None = None) -> None:
        self._denied = [ip_network(network, strict=False) for network in denied]
        self._interfaces = interfaces or interface_networks
        self._local: list[Network] = []
        self._read_at = -_INTERFACES_FOR

    def allow(self, address: str) -> bool:
        """Whether `address`, as the operating system writes it, may be connected to."""
        if not is_public(address):
            return False
        parsed = ip_address(address.partition("%")[0])
        refused = [*self._denied, *self._own()]
        return not any(each in network for each in {parsed, *_meanings(parsed)} for network in refused)

    def _own(self) -> list[Network]:
        now = time.monotonic()
        if now - self._read_at >= _INTERFACES_FOR:
            self._local, self._read_at = self._interfaces(), now
        return self._local


def interface_networks() -> list[Network]:
    """Read the networks of this machine's interfaces: each address with its netmask."""
    found: list[Network] = []
    for addresses in psutil.net_if_addrs().values():
        for one in addresses:
            if one.family in (socket.AF_INET, socket.AF_INET6):
                found += _networks(one.address.partition("%")[0], one.netmask)
    return found


def _networks(address: str, netmask: str | None) -> Iterator[Network]:
    own = ip_network(address)
    yield own
    try:
        bits = int(ip_address(netmask or "")).bit_count()
    except ValueError:  # an interface without a netmask
        return
    if bits >= _SHORTEST_PREFIX[own.version]:
        yield ip_network(f"{address}/{bits}", strict=False)


def is_public(address: str) -> bool:
    """Whether `address`, as the operating system writes it, is on the public internet.

    An IPv6 address that stands for an IPv4 one (mapped, compatible, 6to4, NAT64) must be public as both.
    What is no IP address is not public.
    """
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return all(_is_public(each) for each in _meanings(parsed))


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    return not (
        not address.is_global
        or address.is_multicast
        or address.is_reserved
        or address.is_unspecified
        or any(address in block for block in _NOT_PUBLIC)
    )


def _meanings(address: IPv4Address | IPv6Address) -> Iterator[IPv4Address | IPv6Address]:
    """Yield the IPv4 address that an IPv6 one stands for, or else the address itself."""
    if isinstance(address, IPv4Address):
        yield address
    elif address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    elif address in _NAT64 or address in _IPV4_COMPATIBLE:
        yield IPv4Address(int(address) & 0xFFFF_FFFF)
    else:
        yield address
        if address.sixtofour is not None:
            yield address.sixtofour
