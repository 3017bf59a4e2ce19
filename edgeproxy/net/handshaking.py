"""The listening sockets of a process that speaks TLS. A connection is counted when it comes and not when its handshake
is over, or a client without one would cost a descriptor that nobody knows of; and a trusted proxy may say who the
client is before the handshake, in a PROXY header.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edgeproxy.errors import ProtocolError
from edgeproxy.net.accept import AGAIN
from edgeproxy.net.client import ClientConnection
from edgeproxy.net.connection import RESET
from edgeproxy.net.proxy_header import take_proxy_header
from edgeproxy.runtime.logs import get_logger

_AT_ONCE = 64
"""Connections that are accepted before others get their turn."""
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

log = get_logger(__name__)


class Handshaking:
    """`options` are those of `ServerTls.server_options`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        new_connection: Callable[[], ClientConnection],
        sockets: Sequence[socket.socket],
        options: Mapping[str, Any],
    ) -> None:
        self._loop = loop
        self._new_connection = new_connection
        self._sockets = sockets
        self._options = options
        self._arriving: set[asyncio.Task[None]] = set()
        self._resuming: asyncio.TimerHandle | None = None
        self._open = False

    async def begin(self) -> None:
        self.resume()

    def resume(self) -> None:
        self._forget_resuming()
        self._open = True
        for sock in self._sockets:
            self._loop.add_reader(sock, self._accept, sock)

    def pause(self) -> None:
        self._forget_resuming()
        self._open = False
        for sock in self._sockets:
            self._loop.remove_reader(sock)

    def _forget_resuming(self) -> None:
        if self._resuming is not None:
            self._resuming.cancel()
            self._resuming = None

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            if not self._open:
                return  # the last one filled the place: the others wait in the kernel's queue
            try:
                sock, peer = listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _NO_ROOM:  # the kernel's queue holds them meanwhile
                    log.warning("cannot accept connections for now", reason=error.strerror)
                    self.pause()
                    self._resuming = self._loop.call_later(AGAIN, self.resume)
                    return
                continue  # that one has gone already
            self._admit(sock, peer)

    def _admit(self, sock: socket.socket, peer: Any) -> None:
        connection = self._new_connection()
        if not connection.arrive(peer):
            _refuse(sock, connection)
            return
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = self._loop.create_task(self._secure(sock, connection))
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)

    async def _secure(self, sock: socket.socket, connection: ClientConnection) -> None:
        try:
            if await self._introduced(sock, connection):
                await self._loop.connect_accepted_socket(lambda: connection, sock, **self._options)  # type: ignore[type-var]  # duck-typed
        except (OSError, TimeoutError) as error:  # that of a handshake has been counted
            log.debug("a connection ended before it was one", reason=type(error).__name__)
        finally:
            if connection.transport is None:
                connection.depart()
                sock.close()

    async def _introduced(self, sock: socket.socket, connection: ClientConnection) -> bool:
        """Whether the client may come in, by the word of a trusted proxy if one speaks."""
        if not connection.trusted:
            return True
        edge = connection.edge
        try:
            async with asyncio.timeout(edge.limits.head):
                address = await take_proxy_header(self._loop, sock)
        except ProtocolError as error:
            edge.counters.fault(error.fault.name)
            return False
        return address is None or connection.introduce(address)


def _refuse(sock: socket.socket, connection: ClientConnection) -> None:
    """By a reset, so that nothing of it is kept."""
    connection.depart()
    if sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        sock.close()
