"""The PROXY protocol, versions 1 and 2 (haproxy.org, doc/proxy-protocol.txt): who the client is, by the word of a
trusted proxy that passes on bytes and not requests. It comes once, before everything else on a connection.

No HTTP request and no TLS handshake begins like it, so that a connection of a trusted proxy may do without.
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address

from edgeproxy.cluster.addresses import parse_address
from edgeproxy.errors import MALFORMED, ProtocolError

_V1 = b"PROXY "
_V2 = b"\r\n\r\n\x00\r\nQUIT\n"
_MAX_V1 = 107
_MAX_V2 = 16 + 2048  # with the longest list of extensions that is borne
_LOCAL, _PROXY = 0x20, 0x21
_TCP4, _TCP6 = 0x11, 0x21


def may_begin(data: bytes) -> bool:
    """Whether the bytes are, or could become, a PROXY header."""
    return _V1.startswith(data[: len(_V1)]) or _V2.startswith(data[: len(_V2)])


def read_proxy_header(data: bytes) -> tuple[str, int] | None:
    """(client's address, bytes of the header), None while it is not whole; the address is "" where the proxy speaks
    for itself. Raises ProtocolError."""
    if data.startswith(_V2):
        return _version_2(data)
    if data.startswith(_V1):
        return _version_1(data)
    return None


async def take_proxy_header(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> str | None:
    """The client's address, "" where the proxy speaks for itself, None where there is no header. No byte beyond the
    header is taken from the socket. Raises ProtocolError, and ConnectionError if the peer leaves."""
    taken = b""
    while True:
        await _something_to_read(loop, sock)
        seen = sock.recv(_MAX_V2 - len(taken), socket.MSG_PEEK)
        if not seen:
            raise ConnectionResetError("left before it had said anything")
        if not may_begin(taken + seen):
            if taken:
                raise ProtocolError(MALFORMED, "not a PROXY header")
            return None
        header = read_proxy_header(taken + seen)
        end = len(taken) + len(seen) if header is None else header[1]
        taken += sock.recv(end - len(taken))
        if header is not None:
            return header[0]


async def _something_to_read(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
    ready = asyncio.Event()
    loop.add_reader(sock, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(sock)


def _version_1(data: bytes) -> tuple[str, int] | None:
    end = data.find(b"\r\n", 0, _MAX_V1)
    if end < 0:
        if len(data) >= _MAX_V1:
            raise ProtocolError(MALFORMED, "a PROXY line without an end")
        return None
    parts = data[:end].split(b" ")
    if parts[1] == b"UNKNOWN":
        return "", end + 2
    if len(parts) != 6 or parts[1] not in (b"TCP4", b"TCP6"):
        raise ProtocolError(MALFORMED, "not a PROXY line")
    address = parse_address(parts[2].decode("latin-1"))
    if address is None:
        raise ProtocolError(MALFORMED, "a PROXY line without an address")
    return str(address), end + 2


def _version_2(data: bytes) -> tuple[str, int] | None:
    if len(data) < 16:
        return None
    command, family, length = data[12], data[13], int.from_bytes(data[14:16], "big")
    end = 16 + length
    if command not in (_LOCAL, _PROXY) or end > _MAX_V2:
        raise ProtocolError(MALFORMED, "not a PROXY header of version 2")
    if len(data) < end:
        return None
    if command == _LOCAL:
        return "", end
    if family == _TCP4 and length >= 12:
        return str(IPv4Address(data[16:20])), end
    if family == _TCP6 and length >= 36:
        address = IPv6Address(data[16:32])
        return str(address.ipv4_mapped or address), end
    if family in (_TCP4, _TCP6):
        raise ProtocolError(MALFORMED, "a PROXY header that is too short")
    return "", end
