"""The listening sockets of a process: open, or shut for as long as there is no room.

While they are shut the kernel holds the connections in the queue of the socket, which stays: the loop's server works
on a copy of its descriptor, and closing that one only stops to ask.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edgeproxy.runtime.logs import get_logger

AGAIN = 1.0
"""Seconds until a door that could not be opened is tried again: descriptors may have come free."""

log = get_logger(__name__)


class Accepting:
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        new_connection: Callable[[], Any],
        sockets: Sequence[socket.socket],
        options: Mapping[str, Any],
    ) -> None:
        self._loop = loop
        self._new_connection = new_connection
        self._sockets = sockets
        self._options = options
        self._servers: list[asyncio.Server] = []
        self._resuming: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        for sock in self._sockets:
            copy = sock.dup()
            try:
                server = await self._loop.create_server(self._new_connection, sock=copy, **self._options)
            except BaseException:
                copy.close()
                raise
            self._servers.append(server)

    def pause(self) -> None:
        if self._resuming is not None:
            self._resuming.cancel()
            self._resuming = None
        self._close()

    def _close(self) -> None:
        servers, self._servers = self._servers, []
        for server in servers:
            server.close()

    def resume(self) -> None:
        if not self._servers and self._resuming is None:
            self._resuming = self._loop.create_task(self._resume())

    async def _resume(self) -> None:
        while True:
            try:
                await self.begin()
                break
            except OSError as error:
                self._close()
                log.warning("cannot accept connections again yet", reason=error.strerror)
                await asyncio.sleep(AGAIN)
        self._resuming = None
