"""Who the client is: what earlier proxies say of it is believed only where the operator trusts them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from ipaddress import IPv4Network, IPv6Network

from edgeproxy.cluster.addresses import Address, parse_address

Networks = Sequence[IPv4Network | IPv6Network]

_REMEMBERED = 4096
"""Accounts of trusted proxies that are not read again; some 200 bytes each."""
_MAX_ACCOUNT = 1024
"""Bytes of a proxy's account that are read, from its end: some twenty hops."""

_FORWARDED, _FORWARDED_FOR, _CLOUDFLARE = b"forwarded", b"x-forwarded-for", b"cf-connecting-ip"


def within(address: Address | None, networks: Networks) -> bool:
    return address is not None and any(address in network for network in networks)


def is_trusted(peer: str, trusted: Networks) -> bool:
    """Whether the peer's own address is one of a trusted proxy; asked once a connection."""
    return bool(trusted) and within(parse_address(peer), trusted)


class Source:
    """Where a request comes from. `key` counts for it in limit tables: one for an IPv4 address, one for an IPv6
    /64, since whoever has one address of a /64 has them all. `exempt`: never banned, no cap on its
    connections: of the operator's own networks, or a trusted proxy, behind which there are many."""

    __slots__ = ("denied", "exempt", "key", "local", "text")

    def __init__(self, text: str, key: int, local: bool = False, exempt: bool = False, denied: bool = False) -> None:
        self.text = text
        self.key = key
        self.local = local
        self.exempt = exempt
        self.denied = denied


class Sources:
    """Makes sources. `secret` is the machine's: nobody else can tell which places of a table an address takes."""

    def __init__(
        self, secret: bytes = b"", trusted: Networks = (), allowed: Networks = (), denied: Networks = ()
    ) -> None:
        self._secret = secret
        self._trusted = trusted
        self._allowed = allowed
        self._denied = denied
        self._accounts: dict[tuple[str, tuple[tuple[bytes, bytes], ...]], Source] = {}

    def of(self, text: str) -> Source:
        """The source of a peer's address."""
        address = parse_address(text)
        if address is None:  # a Unix socket: whoever may open it is as good as this machine
            return Source(text, self._hashed(text.encode("utf-8", "replace")), local=True, exempt=True)
        packed = address.packed if address.version == 4 else address.packed[:8]
        return Source(
            str(address),
            self._hashed(packed),
            local=address.is_loopback,
            exempt=within(address, self._allowed) or within(address, self._trusted),
            denied=within(address, self._denied),
        )

    def claimed(self, peer: Source, account: Sequence[tuple[bytes, bytes]]) -> Source:
        """The source of a request that a trusted proxy has forwarded: (name, value) of what it says of the client."""
        key = (peer.text, tuple(account))
        source = self._accounts.get(key)
        if source is None:
            client = client_address(account, self._trusted)
            source = peer if client is None else self.of(client)
            if len(self._accounts) >= _REMEMBERED:
                self._accounts.clear()
            self._accounts[key] = source
        return source

    def _hashed(self, data: bytes) -> int:
        return int.from_bytes(blake2b(data, key=self._secret, digest_size=8).digest(), "big") >> 2


def client_address(account: Iterable[tuple[bytes, bytes]], trusted: Networks) -> str | None:
    """The client by a trusted proxy's word: hops from right to left, the first that is not a trusted proxy.

    A proxy appends to the field that it knows and may pass on others as the client wrote them. X-Forwarded-For,
    which nearly all append to, comes first for that; Forwarded (RFC 7239) and CF-Connecting-IP hold where it is
    missing. What is no address ends the walk: what stands further left cannot be vouched for.
    """
    values: dict[bytes, list[bytes]] = {}
    for name, value in account:
        values.setdefault(name.lower(), []).append(value)
    if _FORWARDED_FOR in values:
        hops = _listed(values[_FORWARDED_FOR])
    elif _FORWARDED in values:
        hops = [_for_of(element) for element in _listed(values[_FORWARDED])]
    elif len(values.get(_CLOUDFLARE, ())) == 1:
        hops = values[_CLOUDFLARE]
    else:
        return None
    found = None
    for hop in reversed(hops):
        address = _hop_address(hop)
        if address is None:
            break
        found = str(address)
        if not within(address, trusted):
            break
    return found


def _listed(values: list[bytes]) -> list[bytes]:
    """The elements of a list-based field, those at the end of what is too long."""
    joined = b",".join(values)
    elements = joined[-_MAX_ACCOUNT:].split(b",")
    return elements[1:] if len(joined) > _MAX_ACCOUNT else elements


def _for_of(element: bytes) -> bytes:
    """The `for` parameter of a Forwarded element, unquoted; empty where there is none."""
    for pair in element.split(b";"):
        name, _, value = pair.partition(b"=")
        if name.strip(b" \t").lower() == b"for":
            return value.strip(b" \t").strip(b'"')
    return b""


def _hop_address(hop: bytes) -> Address | None:
    """`192.0.2.1`, `192.0.2.1:443`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:443`."""
    try:
        text = hop.strip(b" \t").decode("ascii")
    except UnicodeDecodeError:
        return None
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    return parse_address(text)
