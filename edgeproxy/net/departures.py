"""Peers that leave while nobody reads what they send: the loop tells only those who read.

A connection is not read while the other side takes nothing more (a slow worker), nor while a bulk transfer waits; and
of a TLS peer that ends without close_notify the loop says nothing while older bytes wait for it. What such a peer
costs is a worker's time, so its end is asked of the kernel: one epoll, itself watched by the loop, holds those
connections that have once been in that state, and reports each end as it comes (EPOLLRDHUP, once).
"""

from __future__ import annotations

import asyncio
import select
from contextlib import suppress
from typing import Any, Protocol

_ENDS = select.EPOLLRDHUP | select.EPOLLET  # EPOLLHUP and EPOLLERR are always reported
_AT_ONCE = 64


class Leaver(Protocol):
    """A connection whose peer may leave unseen; `watched` is the descriptor by which it is watched, or -1."""

    transport: Any
    watched: int

    def departed(self) -> None:
        """The peer has ended its side of the TCP connection."""


class Departures:
    """The ends of watched connections."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._epoll: select.epoll | None = None  # made for the first one
        self._watched: dict[int, Leaver] = {}

    def watch(self, connection: Leaver) -> None:
        """Until `forget`."""
        sock = connection.transport.get_extra_info("socket")
        if sock is None or (fd := sock.fileno()) < 0:
            return
        self._watched[fd] = connection
        self._opened().register(fd, _ENDS)
        connection.watched = fd

    def forget(self, connection: Leaver) -> None:
        """Its descriptor is closed, or about to be; the number may be in use again."""
        if self._watched.get(connection.watched) is connection:
            del self._watched[connection.watched]
            with suppress(OSError):
                self._opened().unregister(connection.watched)

    def close(self) -> None:
        if self._epoll is not None:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._epoll = None
        self._watched.clear()

    def _opened(self) -> select.epoll:
        if self._epoll is None:
            self._epoll = select.epoll()
            self._loop.add_reader(self._epoll.fileno(), self._ended)
        return self._epoll

    def _ended(self) -> None:
        for fd, _ in self._opened().poll(0, _AT_ONCE):
            connection = self._watched.get(fd)
            if connection is not None:
                connection.departed()
