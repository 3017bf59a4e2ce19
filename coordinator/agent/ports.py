"""Ports for services: the one that is wanted if it is free, else the next."""

import socket
import sys
from typing import Final, Self

from coordinator.agent.place import Unplaceable
from edgeproxy.runtime.sockets import Bind

REACH: Final = 200  # ports that are tried above the wanted one


class NoFreePort(Unplaceable):
    """None is free in reach of the wanted one."""


class PortClaim:
    """A port that no agent on this machine takes while we hold the claim, though nothing listens on it yet: a
    service may load for minutes before it does. (Linux: an abstract socket, which lives in the same network
    namespace as ports, and ends with us.)"""

    def __init__(self, port: int, claim: socket.socket | None) -> None:
        self.port = port
        self._claim = claim

    @classmethod
    def near(cls, host: str, wanted: int) -> Self:
        """The first free port from the wanted one upwards; NoFreePort."""
        for port in range(wanted, min(wanted + REACH, 65536)):
            try:
                claim = _claim(port)
            except OSError:
                continue
            if is_free(Bind(host, port)):
                return cls(port, claim)
            if claim is not None:
                claim.close()
        raise NoFreePort(f"no port from {wanted} to {min(wanted + REACH, 65536) - 1} is free on {host}")

    def release(self) -> None:
        if self._claim is not None:
            self._claim.close()


def _claim(port: int) -> socket.socket | None:
    if not sys.platform.startswith("linux"):
        return None
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        sock.bind(f"\0edgeproxy-port-{port}")
    except OSError:
        sock.close()
        raise
    return sock


def is_free(bind: Bind) -> bool:
    """Whether a program could listen there now."""
    family = socket.AF_INET6 if ":" in bind.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((bind.host, bind.port))
        except OSError:
            return False
    return True
