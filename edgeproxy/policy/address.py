"""Who the client is: what earlier proxies say of it is believed only where the operator trusts them."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

Networks = Sequence[IPv4Network | IPv6Network]


def is_trusted(peer: str, trusted: Networks) -> bool:
    """Whether the peer's own address is one of a trusted proxy; asked once a connection."""
    if not trusted:
        return False
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in trusted)
