"""The edge on loopback sockets with uvloop: a worker that runs a script, clients that send bytes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import uvloop

from edgeproxy.clock import Clock, monotonic
from edgeproxy.net.client import ClientConnection
from edgeproxy.net.dial import NetworkDialer
from edgeproxy.net.edge import Edge
from edgeproxy.net.limits import Limits
from edgeproxy.policy.balance.round_robin import RoundRobin
from edgeproxy.policy.worker import Worker
from edgeproxy.proxy.observe import Observer
from edgeproxy.proxy.table import Pool, Route, Table
from edgeproxy.telemetry.counters import Counters
from tests.wire.world import Lines

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
PATIENCE = 10.0


def run(main: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await main

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(bounded())


class Running:
    """An edge that listens, its workers, and what it said of each exchange."""

    def __init__(self, port: int, workers: list[Worker], lines: Lines, edge: Edge) -> None:
        self.port = port
        self.workers = workers
        self.lines = lines
        self.edge = edge

    async def settled(self) -> None:
        """Nothing is in flight any more, and no client is connected."""
        async with asyncio.timeout(PATIENCE):
            while self.edge.clients or any(worker.in_flight for worker in self.workers):
                await asyncio.sleep(0.005)

    async def talk(self, *pieces: bytes) -> bytes:
        """What a client reads until the edge ends the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.001 if len(pieces) > 1 else 0)
        try:
            async with asyncio.timeout(PATIENCE):
                return await reader.read()
        finally:
            writer.close()


@asynccontextmanager
async def running(*scripts: Script, limits: Limits | None = None, **route: Any) -> AsyncIterator[Running]:
    """An edge over one worker a script."""
    loop = asyncio.get_running_loop()
    far: list[asyncio.StreamWriter] = []

    def served(script: Script) -> Script:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            far.append(writer)
            await script(reader, writer)

        return serve

    servers = [await asyncio.start_server(served(script), "127.0.0.1", 0) for script in scripts]
    workers = [
        Worker(f"w{number}", "127.0.0.1", server.sockets[0].getsockname()[1]) for number, server in enumerate(servers)
    ]
    counters, lines, dialer = Counters(), Lines(), NetworkDialer()
    everything = Route("all", counters.route("all"), Pool("pool", workers, RoundRobin()), **route)
    observer = Observer(counters, lines, Clock(monotonic))  # type: ignore[arg-type]
    table = Table(Route("nowhere", counters.route("nowhere")), everything)
    edge = Edge(loop, table, limits or Limits(), observer, dialer, lambda _: None)
    dialer.edge = edge
    edge.start()
    listener = await loop.create_server(lambda: ClientConnection(edge, ()), "127.0.0.1", 0)
    try:
        yield Running(listener.sockets[0].getsockname()[1], workers, lines, edge)
    finally:
        listener.close()
        for server in servers:
            server.close()
        edge.abort()
        edge.stop()
        for writer in far:
            writer.transport.abort()
        await dialer.close()
        await asyncio.sleep(0.05)  # closed transports report to their protocols


def unused_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
