"""All services of one machine behind one door, by path: `/service/{name}/...` goes to the service's own port.

Used by the agent, in its own loop: requests come over a listening port, from a tunnel program on the same machine, or
over connections that the agent has opened to an edge (`adopt`). It is the edge's engine with a table of its own.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Final

from edgeproxy.clock import Clock, monotonic
from edgeproxy.discovery.snapshot import Endpoint
from edgeproxy.errors import CONNECT_FAILED, CONNECT_TIMEOUT, NO_ROUTE, NO_WORKER, Fault
from edgeproxy.http.bounds import Bounds
from edgeproxy.net.client import ClientConnection
from edgeproxy.net.dial import NetworkDialer
from edgeproxy.net.edge import Edge
from edgeproxy.net.limits import Limits
from edgeproxy.net.reverse import NOT_SENT
from edgeproxy.policy.balance.base import Strategy
from edgeproxy.policy.worker import Worker
from edgeproxy.proxy.exchange import Exchange
from edgeproxy.proxy.observe import Observer
from edgeproxy.proxy.table import Pool, Route, Table
from edgeproxy.telemetry.counters import Counters

PATIENCE: Final = 24 * 3600.0
"""Seconds for what the edge already watches over: it knows its limits, we do not."""

LARGEST_BODY: Final = 1 << 40  # likewise

_EVERYBODY: Final = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))
_ELSEWHERE: Final = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n" + NOT_SENT + b"\r\n"
_NOTHING_SENT: Final = (NO_ROUTE, NO_WORKER, CONNECT_FAILED, CONNECT_TIMEOUT)


class Gateway:
    """`serve()` names the services; `on_request()` is called when a request begins."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_request: Callable[[], None] = lambda: None) -> None:
        self._counters = Counters()
        self._nowhere = Route("none", self._counters.route("none"))
        self._health = Route("health", self._counters.route("health"), local=b'{"status":"healthy","service":"agent"}')
        self._workers: dict[str, Worker] = {}
        self._strategy = _Only(on_request)
        self._dialer = NetworkDialer()
        self._servers: list[asyncio.Server] = []
        observer = Observer(self._counters, None, Clock(monotonic))
        self._edge = Edge(loop, self._table({}), _limits(), observer, self._dialer, lambda _: None)
        self._dialer.edge = self._edge

    async def __aenter__(self) -> Gateway:
        self._edge.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()
        self._edge.draining = True
        self._edge.abort()
        await asyncio.sleep(0)
        self._edge.stop()
        await self._dialer.close()

    def serve(self, services: Mapping[str, str]) -> None:
        """The base URL of each; requests under way go on."""
        self._edge.table = self._table({name: Endpoint.of(name, url) for name, url in services.items()})

    async def listen(self, sock: socket.socket, trusted: Sequence[IPv4Network | IPv6Network] = ()) -> None:
        """`trusted`: whose account of the client is passed on."""
        edge = self._edge
        server = await edge.loop.create_server(lambda: ClientConnection(edge, list(trusted)), sock=sock)  # type: ignore[arg-type,return-value]
        self._servers.append(server)

    def adopt(self, transport: Any, early: bytes = b"") -> ClientConnection:
        """Requests come over this connection, which we have opened to an edge; `early` has come already. It ends
        like any other: `transport.is_closing()`; it is at work while it has an `exchange`."""
        connection = _FromEdge(self._edge, list(_EVERYBODY))
        transport.set_protocol(connection)
        connection.connection_made(transport)
        if early:
            connection.data_received(early)
        if connection.reading:
            transport.resume_reading()  # it was paused, lest something came to the protocol before us
        return connection

    @property
    def in_flight(self) -> int:
        return sum(worker.in_flight for worker in self._workers.values())

    async def drain(self, seconds: float) -> None:
        """No new requests; what is under way has that long to end."""
        edge = self._edge
        edge.draining = True
        edge.drain()
        deadline = monotonic() + seconds
        while edge.clients and monotonic() < deadline:
            await asyncio.sleep(0.02)
        edge.abort()
        edge.draining = False

    def _table(self, endpoints: Mapping[str, Endpoint]) -> Table:
        routes: dict[bytes, Route] = {}
        workers: dict[str, Worker] = {}
        for name, endpoint in endpoints.items():
            worker = workers[endpoint.id] = self._workers.get(endpoint.id) or _worker(endpoint)
            pool = Pool(name, [worker], self._strategy)
            strip = len("/service/") + len(name)
            routes[name.encode()] = Route(name, self._counters.route(name), pool, strip=strip, trusted=True)
        self._workers = workers
        return Table(self._nowhere, exact={b"/health": self._health}, services=routes)


def _limits() -> Limits:
    """Wider than any edge's: what it has let pass, with the fields that it added, is not judged again."""
    return Limits(
        bounds=Bounds(fields=400, target=64 * 1024, extension=4096, trailers=100, trailer_bytes=64 * 1024),
        head_bytes=256 * 1024,
        answer_head_bytes=256 * 1024,
        body_bytes=LARGEST_BODY,
        body_idle=PATIENCE,
        rate_grace=PATIENCE,
        first_byte=PATIENCE,
        stream_idle=PATIENCE,
        tunnel_idle=PATIENCE,
        client_lifetime=PATIENCE,
        keep_alive_requests=1 << 30,
    )


def _worker(endpoint: Endpoint) -> Worker:
    return Worker(endpoint.id, endpoint.host, endpoint.port, endpoint.tls, endpoint.base_path.encode("ascii"))


class _Only(Strategy):
    """There is one: it is always tried, since its being down is for the agent to find out and to tell."""

    def __init__(self, on_request: Callable[[], None]) -> None:
        self._on_request = on_request

    def pick(self, workers: list[Worker], now: float, tried: list[Worker] | None, key: int = 0) -> Worker | None:
        self._on_request()
        return None if tried else workers[0]


class _FromEdge(ClientConnection):
    """Over a connection to an edge, which is told where it may ask somebody else."""

    __slots__ = ()

    def answer(self, exchange: Exchange, fault: Fault, detail: str = "") -> None:
        if fault not in _NOTHING_SENT:
            ClientConnection.answer(self, exchange, fault, detail)
            return
        exchange.fault = fault
        exchange.status = 503
        exchange.close = exchange.close or not exchange.request_done
        self.write(_ELSEWHERE)
        self.finish(exchange)
