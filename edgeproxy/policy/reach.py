"""Which addresses may be dialled for a worker: a lent machine says itself where it is, and must not make us speak to
our own services or to a cloud's metadata (server-side request forgery)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from edgeproxy.cluster.addresses import embedded, is_nobodys, parse_address
from edgeproxy.policy.address import Networks, within

AUTO = "auto"
ANY = "any"

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
        address = embedded(address)
        if is_nobodys(address):
            return False
        return self._anything or address.is_global or within(address, self._networks)


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
