"""Addresses that no worker has, whoever lists it: a lent machine says itself where it is, and must not make an edge or
a coordinator speak to a cloud's metadata or to everybody (server-side request forgery)."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

Address = IPv4Address | IPv6Address

NEVER: Final[tuple[IPv4Network | IPv6Network, ...]] = (
    IPv4Network("0.0.0.0/8"),
    IPv4Network("169.254.0.0/16"),  # link-local: metadata of AWS, Azure, Google, DigitalOcean, Oracle
    IPv4Network("100.100.100.200/32"),  # metadata of Alibaba
    IPv4Network("192.0.0.192/32"),  # metadata of Oracle's older machines
    IPv4Network("224.0.0.0/4"),
    IPv4Network("240.0.0.0/4"),
    IPv6Network("::/128"),
    IPv6Network("fe80::/10"),
    IPv6Network("fd00:ec2::254/128"),  # metadata of AWS
    IPv6Network("fd20:ce::254/128"),  # metadata of Google
    IPv6Network("ff00::/8"),
)
_NAT64: Final = IPv6Network("64:ff9b::/96")


def parse_address(text: str) -> Address | None:
    """An address without port, brackets and zone; IPv4 in IPv6 is IPv4."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def embedded(address: Address) -> Address:
    """The IPv4 address that 6to4 and NAT64 hide in an IPv6 one (RFC 3056, RFC 6052), else itself."""
    if isinstance(address, IPv4Address):
        return address
    if address.sixtofour is not None:
        return address.sixtofour
    return ip_address(address.packed[12:]) if address in _NAT64 else address


def is_nobodys(address: Address) -> bool:
    plain = embedded(address)
    return any(plain in network for network in NEVER)
