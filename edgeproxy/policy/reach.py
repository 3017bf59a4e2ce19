"""Which addresses may be dialled for a worker: a lent machine says itself where it is, and must not make us speak to
our own services or to a cloud's metadata (server-side request forgery)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from edgeproxy.policy.address import Address, Networks, parse_address, within

AUTO = "auto"
ANY = "any"

NEVER: Networks = [
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
]
"""What no worker is, whoever lists it."""

_LOOPBACK: Networks = [IPv4Network("127.0.0.0/8"), IPv6Network("::1/128")]
_PRIVATE: Networks = [
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv4Network("100.64.0.0/10"),
    IPv6Network("fc00::/7"),
]


class Reach:
    """`networks`: those that may be dialled beside what is reachable for everybody."""

    def __init__(self, networks: Networks = (), *, anything: bool = False) -> None:
        self._networks = networks
        self._anything = anything

    def allows(self, text: str) -> bool:
        address = parse_address(text)
        if address is None:
            return False
        address = _embedded(address)
        if within(address, NEVER):
            return False
        return self._anything or address.is_global or within(address, self._networks)


def _embedded(address: Address) -> Address:
    """The IPv4 address that 6to4 and NAT64 hide in an IPv6 one (RFC 3056, RFC 6052)."""
    if address.version == 4:
        return address
    if address.sixtofour is not None:
        return address.sixtofour
    if address in IPv6Network("64:ff9b::/96"):
        return ip_address(address.packed[12:])
    return address


OPERATOR = Reach(anything=True)
"""For addresses that the operator wrote."""


def reach_of(setting: Iterable[str], coordinators: Sequence[str]) -> Reach:
    """`any`; networks by name; or `auto`: where the coordinator is, workers may be. A coordinator on this machine
    has workers on it and in its networks, one in a private network has workers there, a public one nowhere private.
    `coordinators` are hosts."""
    listed = list(setting)
    if ANY in listed:
        return OPERATOR
    networks: list[IPv4Network | IPv6Network] = [ip_network(text, strict=False) for text in listed if text != AUTO]
    if AUTO in listed:
        for host in coordinators:
            address = ip_address("127.0.0.1") if host == "localhost" else parse_address(host)
            if within(address, _LOOPBACK):
                networks += [*_LOOPBACK, *_PRIVATE]
            elif within(address, _PRIVATE):
                networks += _PRIVATE
    return Reach(networks)
