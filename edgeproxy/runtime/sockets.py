"""Listening sockets: one a process on the same port (SO_REUSEPORT); the kernel spreads connections."""

import errno
import socket
from dataclasses import dataclass
from typing import Any

_HINTS = {
    errno.EADDRINUSE: "another program uses it: end that, or choose another port",
    errno.EACCES: "not permitted: choose a port above 1023, or give CAP_NET_BIND_SERVICE",
    errno.EADDRNOTAVAIL: "this machine does not have that address",
}


@dataclass(frozen=True, slots=True)
class Bind:
    """Where to listen. An IPv6 host has no brackets; `::` takes IPv4 too; port 0 lets the kernel choose."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class ListenError(OSError):
    """A listener could not be had; `str()` is one line with the address and what to do."""

    def __init__(self, bind: Bind, cause: OSError) -> None:
        hint = _HINTS.get(cause.errno or 0, cause.strerror or str(cause))
        super().__init__(f"cannot listen on {bind}: {hint}")
        self.errno = cause.errno


def listen(bind: Bind, count: int, backlog: int = 1024) -> list[socket.socket]:
    """`count` non-blocking sockets that share the port; ListenError if it is taken."""
    made: list[socket.socket] = []
    try:
        family, _, _, _, address = _resolve(bind)
        if bind.port:
            # with SO_REUSEPORT alone we would share the port with a foreign process of our user, unnoticed
            _bound(family, address, shared=False).close()
        for _ in range(count):
            made.append(_bound(family, address, shared=True))
            address = made[0].getsockname()
        for sock in made:
            sock.listen(backlog)
    except OSError as error:
        for sock in made:
            sock.close()
        raise ListenError(bind, error) from error
    return made


def _resolve(bind: Bind) -> tuple[Any, ...]:
    flags = socket.AI_PASSIVE | socket.AI_NUMERICSERV
    return socket.getaddrinfo(bind.host or None, str(bind.port), type=socket.SOCK_STREAM, flags=flags)[0]


def _bound(family: int, address: Any, *, shared: bool) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(address)
    except BaseException:
        sock.close()
        raise
    return sock
