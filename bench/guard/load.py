"""A closed loop of keep-alive connections that takes every answer and counts them by status."""

from __future__ import annotations

import asyncio
from collections import Counter
from time import perf_counter
from typing import Any

CONNECT_S = 10.0


class _Connection(asyncio.Protocol):
    """Sends the next request when an answer with Content-Length is whole."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._data = b""
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def send(self) -> None:
        self._data = b""
        self.transport.write(self._load.request)

    def data_received(self, data: bytes) -> None:
        data = self._data = self._data + data
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return
        at = data.find(b"Content-Length: ", 0, end)
        if len(data) >= end + 4 + int(data[at + 16 : data.index(b"\r\n", at)]):
            self._load.answered(self, data[9:12])

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.lost()


class Load:
    """`run` gives the answers by status; a connection that the peer ends is an error."""

    def __init__(self, request: bytes, port: int) -> None:
        self.request = request
        self._port = port
        self._statuses: Counter[bytes] = Counter()
        self._connections: list[_Connection] = []
        self._busy = 0
        self._stopping = False
        self._closing = False
        self._done = asyncio.Event()

    async def __aenter__(self) -> Load:
        return self

    async def open(self, connections: int) -> Load:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_S):
            for _ in range(connections):
                _, connection = await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self._port)
                self._connections.append(connection)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing = True
        for connection in self._connections:
            connection.transport.abort()
        await asyncio.sleep(0)

    async def run(self, seconds: float) -> tuple[Counter[bytes], float]:
        self._statuses, self._stopping = Counter(), False
        self._busy = len(self._connections)
        self._done.clear()
        started = perf_counter()
        asyncio.get_running_loop().call_later(seconds, self._stop)
        for connection in self._connections:
            connection.send()
        async with asyncio.timeout(seconds + 30):
            await self._done.wait()
        return self._statuses, perf_counter() - started

    def answered(self, connection: _Connection, status: bytes) -> None:
        self._statuses[status] += 1
        if not self._stopping:
            connection.send()
            return
        self._busy -= 1
        if not self._busy:
            self._done.set()

    def lost(self) -> None:
        if not self._closing:
            raise RuntimeError("the edge has ended a connection of the load")

    def _stop(self) -> None:
        self._stopping = True
