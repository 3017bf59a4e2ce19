"""Listening sockets: one a process on the same port (SO_REUSEPORT); the kernel spreads connections."""

import errno
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FIRST_FD = 3  # SD_LISTEN_FDS_START of sd-daemon.h
MOST_FDS = 64

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
    """`count` non-blocking sockets that share the port, systemd's if it has opened that; ListenError if it is taken."""
    if given := activated(bind):
        return [given, *(given.dup() for _ in range(count - 1))]
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


def activated(bind: Bind, environ: Mapping[str, str] = os.environ, first: int = FIRST_FD) -> socket.socket | None:
    """The socket for that port that systemd has opened for us (sd_listen_fds(3)), if any."""
    if environ.get("LISTEN_PID") != str(os.getpid()) or not bind.port:
        return None
    count = environ.get("LISTEN_FDS", "")
    for fd in range(first, first + (min(int(count), MOST_FDS) if count.isdecimal() else 0)):
        sock = _stream_at(fd, bind.port)
        if sock is not None:
            sock.setblocking(False)
            return sock
    return None


def _stream_at(fd: int, port: int) -> socket.socket | None:
    """A copy of that descriptor, if it is a TCP socket of the port; ours alone, and not for what we start."""
    try:
        copy = socket.socket(fileno=os.dup(fd))
    except OSError:
        return None
    inet = copy.family in (socket.AF_INET, socket.AF_INET6) and copy.type == socket.SOCK_STREAM
    if inet and copy.getsockname()[1] == port:
        return copy
    copy.close()
    return None


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
