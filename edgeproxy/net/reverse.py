"""Machines that dial in: no open port, no tunnel; their agent opens a connection to the edge, asks for `Upgrade`, gets
101, and from then on the edge speaks plain HTTP/1.1 requests down that socket, as on one that it had dialled.

    GET /.well-known/edgeproxy/reverse HTTP/1.1          HTTP/1.1 101 Switching Protocols
    Host: the edge                                       Connection: Upgrade
    Connection: Upgrade                                  Upgrade: edgeproxy-reverse
    Upgrade: edgeproxy-reverse                           Edgeproxy-Process: 1/2
    Edgeproxy-Worker: the machine's id                   Edgeproxy-Wanted: 0
    Edgeproxy-Token: its secret

Who may dial in for a machine is in the worker list: the SHA-256 of the token that only its agent knows.

The kernel decides which of the edge's processes a connection reaches (SO_REUSEPORT), and TLS cannot be handed from
one to another; so the answer says which it was, of how many, and the agent dials until each has some. `Wanted` is how
many requests wait there for a connection.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from hmac import compare_digest
from typing import Any, Final, NamedTuple

from edgeproxy.clock import FOREVER
from edgeproxy.errors import CONNECT_FAILED, CONNECT_TIMEOUT, Fault, Source
from edgeproxy.http.framing import NO_BODY
from edgeproxy.http.response import ResponseHead
from edgeproxy.net.edge import Edge
from edgeproxy.net.upstream import UpstreamConnection
from edgeproxy.policy.retry import Stage
from edgeproxy.policy.worker import Worker
from edgeproxy.proxy.exchange import Exchange
from edgeproxy.proxy.forward import Forwarder

PATH: Final = b"/.well-known/edgeproxy/reverse"
PROTOCOL: Final = b"edgeproxy-reverse"
NOT_SENT: Final = b"Edgeproxy-Not-Sent: 1\r\n"
"""In an error answer of an agent: the service has seen nothing of the request."""

IDLE_LIMIT: Final = 50.0
"""Seconds a connection may rest. Routers forget silent ones after a minute or more; the agent brings a new one."""
MAX_SOCKETS: Final = 256  # of one machine in one process
MAX_WAITING: Final = 1024  # requests that wait for a machine's next connection
RETURN_SECONDS: Final = 1.0
"""For how long a machine without a connection still counts as there: a router that forgot its connections costs a
moment; a machine that died costs its requests this moment, then they go to another."""

REFUSED: Final = Fault("reverse_refused", 403, Source.DOWNSTREAM, "This machine may not dial in", retry_after=1)
NO_UPGRADE: Final = Fault(
    "reverse_no_upgrade", 426, Source.DOWNSTREAM, "Only Upgrade: edgeproxy-reverse is spoken here"
)
FULL: Final = Fault("reverse_full", 503, Source.PROXY, "This machine has enough connections", retry_after=5)

_WORKER = re.compile(rb"^Edgeproxy-Worker:[ \t]*([\x21-\x7e]{1,200})[ \t]*\r$", re.IGNORECASE | re.MULTILINE)
_TOKEN = re.compile(rb"^Edgeproxy-Token:[ \t]*([A-Za-z0-9_-]{16,128})[ \t]*\r$", re.IGNORECASE | re.MULTILINE)
_SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: edgeproxy-reverse\r\n"
    b"Edgeproxy-Process: %d/%d\r\nEdgeproxy-Wanted: %d\r\n\r\n"
)


class Waiting(NamedTuple):
    """A request that waits for a connection, until `deadline`."""

    exchange: Exchange
    attempt: int
    worker: Worker
    forwarder: Forwarder
    deadline: float

    @property
    def over(self) -> bool:
        """Nobody waits any more: the request ended, or another attempt took its place."""
        return self.exchange.finished or self.exchange.attempt != self.attempt


class Lobby:
    """One machine's connections in this process. All its services share them: `idle` is the same list for all."""

    __slots__ = ("_gone", "_timer", "edge", "home", "idle", "services", "sockets", "waiting")

    def __init__(self, edge: Edge, machine: str) -> None:
        self.edge = edge
        self.idle: list[object] = []
        self.sockets: set[ReverseConnection] = set()
        self.services: dict[str, Worker] = {}
        self.home = self._new_worker(machine)
        self.waiting: deque[Waiting] = deque()
        self._gone: Any = None  # the timer that ends the machine's absence
        self._timer: Any = None

    def service(self, identity: str, base_path: bytes) -> Worker:
        """A service there, to be put into a pool."""
        worker = self.services.get(identity)
        if worker is None:
            worker = self.services[identity] = self._new_worker(identity, base_path)
        return worker

    def arrived(self, connection: ReverseConnection) -> None:
        self.sockets.add(connection)
        if self._gone is not None:
            self._gone.cancel()
            self._gone = None
        for worker in self.services.values():
            worker.probed(True, self.edge.clock.now)
        connection.rest()

    def rested(self) -> None:
        """A connection is free: the next who waits gets it."""
        self.edge.loop.call_soon(self._serve)

    def left(self, connection: ReverseConnection) -> None:
        self.sockets.discard(connection)
        if not self.sockets and self._gone is None:
            self._gone = self.edge.loop.call_later(RETURN_SECONDS, self._is_gone)

    def wait(self, worker: Worker, exchange: Exchange, forwarder: Forwarder) -> None:
        """No connection is free: the agent brings more, it keeps some in reserve."""
        edge = self.edge
        if worker.probed_down or len(self.waiting) >= MAX_WAITING:
            edge.loop.call_soon(
                self._failed, Waiting(exchange, exchange.attempt, worker, forwarder, 0.0), CONNECT_FAILED
            )
            return
        self.waiting.append(
            Waiting(exchange, exchange.attempt, worker, forwarder, edge.clock.now + edge.limits.connect)
        )
        if self._timer is None:
            self._timer = edge.loop.call_later(edge.limits.connect, self._late)
        if self.idle:
            self.rested()

    def _new_worker(self, identity: str, base_path: bytes = b"") -> Worker:
        worker = Worker(identity, "agent", 80, base_path=base_path)
        worker.lobby = self
        worker.idle = self.idle
        worker.idle_limit = IDLE_LIMIT
        worker.probed_down = not self.sockets
        return worker

    def _serve(self) -> None:
        edge = self.edge
        edge.clock.tick()
        while self.waiting:
            if self.waiting[0].over:
                self.waiting.popleft()
                continue
            connection = edge.dialer.idle(self.waiting[0].worker, self.waiting[0].exchange)
            if connection is None:
                return
            next_one = self.waiting.popleft()
            next_one.forwarder.connected(next_one.exchange, connection)

    def _late(self) -> None:
        """Those who have waited for too long fail; they stand in the order of their deadlines."""
        self._timer = None
        now = self.edge.clock.tick()
        while self.waiting and (self.waiting[0].deadline <= now or self.waiting[0].over):
            self._failed(self.waiting.popleft(), CONNECT_TIMEOUT)
        if self.waiting:
            self._timer = self.edge.loop.call_later(max(0.01, self.waiting[0].deadline - now), self._late)

    def _is_gone(self) -> None:
        self._gone = None
        for worker in self.services.values():
            worker.probed(False, self.edge.clock.tick())
        while self.waiting:
            self._failed(self.waiting.popleft(), CONNECT_FAILED)

    def _failed(self, waiting: Waiting, fault: Fault) -> None:
        if not waiting.over:
            waiting.forwarder.failed(waiting.exchange, fault, Stage.NOTHING_SENT)


class ReverseConnection(UpstreamConnection):
    """A connection that the other end has opened; used like any other."""

    __slots__ = ("lobby", "source")

    def __init__(self, edge: Edge, lobby: Lobby, source: Any) -> None:
        UpstreamConnection.__init__(self, edge, lobby.home)
        self.lobby = lobby
        self.source = source  # who came in by the edge's door, and leaves by it

    def begin(self, exchange: Exchange) -> None:
        self.worker = exchange.worker  # type: ignore[assignment]  # one is picked by now
        UpstreamConnection.begin(self, exchange)

    def rest(self) -> None:
        UpstreamConnection.rest(self)
        if not self.closing:
            self.read_deadline = self.edge.clock.now + IDLE_LIMIT
            if self.lobby.waiting:
                self.lobby.rested()

    def _answer_begins(self, exchange: Exchange, head: ResponseHead, rest: bytes) -> None:
        if head.status >= 502 and NOT_SENT in head.fields and exchange.replayable:
            exchange.rewind()
            self._fail(exchange, CONNECT_FAILED, Stage.NOTHING_SENT)
        else:
            UpstreamConnection._answer_begins(self, exchange, head, rest)

    def connection_lost(self, exc: Exception | None) -> None:
        UpstreamConnection.connection_lost(self, exc)
        self.lobby.left(self)
        self.edge.door.leave(self.source)


class Reception:
    """Where machines dial in: the `reception` of the route of PATH. `unknown()` is called for one that we do not know,
    or not yet."""

    def __init__(self, edge: Edge, slot: int, processes: int, unknown: Callable[[], None]) -> None:
        self._edge = edge
        self._slot = slot
        self._processes = processes
        self._unknown = unknown
        self._keys: Mapping[str, str] = {}
        self._lobbies: dict[str, Lobby] = {}

    def admit(self, keys: Mapping[str, str]) -> None:
        """From now on these, by id: the SHA-256 of their tokens, in hexadecimal digits. Others are shown out."""
        for machine in [machine for machine, key in self._keys.items() if keys.get(machine) != key]:
            self._show_out(machine, gone=machine not in keys)
        self._keys = dict(keys)

    def lobby(self, machine: str) -> Lobby:
        lobby = self._lobbies.get(machine)
        if lobby is None:
            lobby = self._lobbies[machine] = Lobby(self._edge, machine)
        return lobby

    def forget(self, services: Iterable[Worker]) -> None:
        """Those that are in no pool any more."""
        for worker in services:
            if isinstance(worker.lobby, Lobby):
                worker.lobby.services.pop(worker.id, None)

    def __call__(self, client: Any, exchange: Exchange) -> None:
        """A client connection asks to be one of a machine's."""
        machine, fault = self._judge(client, exchange)
        if fault is not None:
            exchange.close = True
            client.answer(exchange, fault)
            return
        lobby = self.lobby(machine)
        transport = client.transport
        self._let_go(client, exchange)
        transport.write(_SWITCH % (self._slot, self._processes, len(lobby.waiting)))
        connection = ReverseConnection(self._edge, lobby, client.source)
        transport.set_protocol(connection)
        connection.connection_made(transport)
        lobby.arrived(connection)

    def _judge(self, client: Any, exchange: Exchange) -> tuple[str, Fault | None]:
        head = exchange.head
        asks = head._upgrade is not None and [value.lower() for value in head._upgrade] == [PROTOCOL]
        if not asks or head.method != b"GET" or head.minor == 0 or head.length != NO_BODY or client.buffer:
            return "", NO_UPGRADE
        named, shown = _WORKER.findall(head.fields), _TOKEN.findall(head.fields)
        if len(named) != 1 or len(shown) != 1:
            return "", REFUSED
        machine = named[0].decode("ascii")
        key = self._keys.get(machine)
        if key is None:
            self._unknown()
        if key is None or not compare_digest(sha256(shown[0]).hexdigest(), key):
            return "", REFUSED
        full = self._edge.draining or len(self.lobby(machine).sockets) >= MAX_SOCKETS
        return machine, FULL if full else None

    def _let_go(self, client: Any, exchange: Exchange) -> None:
        """The client connection hands its transport over and is no more."""
        edge = self._edge
        exchange.status = 101
        exchange.finished = True
        client.exchange = None
        client.read_deadline = client.write_deadline = FOREVER
        edge.clients.discard(client)
        edge.departures.forget(client)
        edge.counters.open_connections -= 1
        edge.observer.ended(exchange)

    def _show_out(self, machine: str, gone: bool) -> None:
        lobby = self._lobbies.get(machine)
        if lobby is None:
            return
        for connection in list(lobby.sockets):
            connection.drain()
        if gone:
            del self._lobbies[machine]
