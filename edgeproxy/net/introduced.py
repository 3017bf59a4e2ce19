"""The part of a client's connection that knows who it is: by its socket, or by a trusted proxy's PROXY header."""

from __future__ import annotations

from typing import Any

from edgeproxy.errors import Fault, ProtocolError
from edgeproxy.net.edge import Edge
from edgeproxy.net.proxy_header import may_begin, read_proxy_header
from edgeproxy.net.upload import UploadingConnection
from edgeproxy.policy.address import Networks, is_trusted


class IntroducedConnection(UploadingConnection):
    """`trusted` is the networks of trusted proxies until the peer is known, then whether it is one. `arrived`: the
    peer is known and counted. `fresh`: nothing has been read yet."""

    __slots__ = ("arrived", "fresh")

    def __init__(self, edge: Edge, trusted_proxies: Networks) -> None:
        UploadingConnection.__init__(self, edge)
        self.trusted = trusted_proxies
        self.arrived = False
        self.fresh = True

    def arrive(self, peer: Any) -> bool:
        """`peer` is the socket's address, None for a Unix socket; whether it may come in. It leaves, come in or not."""
        address = peer[0] if peer else "unix"
        self.trusted = is_trusted(address, self.trusted)
        self._is_at(address)
        self.arrived = True
        return bool(self.edge.door.enter(self.source)) and not self.edge.guard.holds(self)

    def introduce(self, address: str) -> bool:
        """A trusted proxy has said who the client is ("" for itself); whether that one may come in."""
        self.fresh = False
        if not address:
            return True
        self.edge.door.leave(self.source)
        self._is_at(address)
        self.trusted = False  # what follows is the client's own word
        return bool(self.edge.door.enter(self.source)) and not self.edge.guard.holds(self)

    def depart(self) -> None:
        """The connection is no more."""
        self.edge.door.leave(self.source)

    def _is_at(self, address: str) -> None:
        """The client has this address, by its socket or by a trusted proxy's PROXY header."""
        self.source = self.edge.guard.sources.of(address)
        self.forwarded = b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\n" % (
            address.encode("ascii"),
            self.edge.scheme,
        )

    def _introduced(self) -> bool:
        """Whether a trusted proxy has said who the client is, or says nothing of it, in a PROXY header."""
        if not may_begin(self.buffer):
            return True
        try:
            header = read_proxy_header(self.buffer)
        except ProtocolError as error:
            self._refuse(error.fault, str(error))
            return False
        if header is None:
            self.read_deadline = min(self.read_deadline, self.edge.clock.now + self.edge.limits.head)
            return False
        address, size = header
        self.buffer = self.buffer[size:]
        if not self.introduce(address):
            self.abort()
            return False
        return bool(self.buffer)

    def _refuse(self, fault: Fault, detail: str) -> None:
        """Say what is wrong, and close: `ClientConnection`."""
        raise NotImplementedError
