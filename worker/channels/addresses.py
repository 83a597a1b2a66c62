"""Which IP addresses attachments may be fetched from: those of the public internet, and no others."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

#: Blocks that `is_global` lets through in some Python versions, or that are public by number only.
_NOT_PUBLIC: tuple[IPv4Network | IPv6Network, ...] = tuple(
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
