"""An edge in memory: clients that send bytes, workers that answer by a script, and no socket in between."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import h11
import orjson

from edgeproxy.cache.store import Store
from edgeproxy.clock import Clock
from edgeproxy.errors import CONNECT_FAILED, Fault
from edgeproxy.net.client import ClientConnection
from edgeproxy.net.edge import Edge
from edgeproxy.net.limits import Limits
from edgeproxy.net.pool import take
from edgeproxy.net.upstream import UpstreamConnection
from edgeproxy.policy.balance.round_robin import RoundRobin
from edgeproxy.policy.retry import Stage
from edgeproxy.policy.rules import Rules
from edgeproxy.policy.worker import Worker
from edgeproxy.proxy.observe import Observer
from edgeproxy.proxy.pipeline import Guard
from edgeproxy.proxy.table import Pool, Route, Table
from edgeproxy.telemetry.counters import Counters
from tests.wire.mock import MockLoop, MockTransport

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Lines:
    """Stands for the access log: what was said of each exchange at its end."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def add(self, now: float, line: bytes) -> None:
        self.records.append(orjson.loads(b"{" + line))

    def flush(self) -> None:
        pass


class Request:
    """One whole request as a worker read it, by h11's understanding."""

    def __init__(self, event: h11.Request, raw: bytes) -> None:
        self.line = b"%b %b HTTP/%b" % (event.method, event.target, event.http_version)
        self.fields = [(name, value) for name, value in event.headers.raw_items()]
        self.raw_head = raw
        self.body = b""

    def values(self, name: bytes) -> list[bytes]:
        return [value for each, value in self.fields if each.lower() == name.lower()]


class FarWorker:
    """The worker's end of one connection: reads requests strictly, answers each by `world.answer`."""

    def __init__(self, world: World, worker: Worker) -> None:
        self.world = world
        self.connection = UpstreamConnection(world.edge, worker)
        self.transport = MockTransport(world.loop, self.connection, half_closes=world.half_closes)
        self.transport.on_data = self._data
        self.requests: list[Request] = []
        self.tunnel: bytearray | None = None
        self._reader = h11.Connection(h11.SERVER)
        self._raw = b""

    def feed(self, data: bytes) -> None:
        self.transport.feed(data)
        self.world.loop.run()

    def eof(self) -> None:
        self.transport.feed_eof()
        self.world.loop.run()

    def reset(self) -> None:
        self.transport.reset()
        self.world.loop.run()

    @property
    def got(self) -> bytes:
        return bytes(self.transport.delivered)

    def _data(self, data: bytes) -> None:
        if self.tunnel is not None:
            self.tunnel += data
            return
        self._raw += data
        self._reader.receive_data(data)
        while self._next():
            pass

    def _next(self) -> bool:
        event = self._reader.next_event()
        if type(event) is h11.Request:
            head, _, self._raw = self._raw.partition(b"\r\n\r\n")
            self.requests.append(Request(event, head))
        elif type(event) is h11.Data:
            self.requests[-1].body += event.data
        elif type(event) is h11.EndOfMessage:
            self._complete()
        else:
            return False
        return True

    def _complete(self) -> None:
        rest, _ = self._reader.trailing_data
        self._reader = h11.Connection(h11.SERVER)
        if rest:
            self._reader.receive_data(rest)
        self._raw = rest
        request = self.requests[-1]
        self.world.seen.append(request)
        self.world.answer(self, request)


class FarClient:
    """A client's end of one connection."""

    def __init__(self, world: World, trusted: Any = ()) -> None:
        self.world = world
        self.connection = ClientConnection(world.edge, trusted)
        self.transport = MockTransport(world.loop, self.connection, half_closes=world.half_closes)

    def send(self, data: bytes) -> None:
        self.transport.feed(data)
        self.world.loop.run()

    def send_all(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            self.send(piece)

    def eof(self) -> None:
        self.transport.feed_eof()
        self.world.loop.run()

    def reset(self) -> None:
        self.transport.reset()
        self.world.loop.run()

    def read(self, size: int | None = None) -> None:
        self.transport.take(size)
        self.world.loop.run()

    @property
    def got(self) -> bytes:
        return bytes(self.transport.delivered)

    @property
    def alive(self) -> bool:
        return not self.transport.closing and not self.transport.eof_written


class MockDialer:
    """Hands out connections to workers that are objects: at once, or when told to (`hold`), or not (`fail`)."""

    def __init__(self) -> None:
        self.world: World
        self.hold = False
        self.fail: list[Fault] = []
        self.waiting: list[Callable[[], None]] = []

    def idle(self, worker: Worker, exchange: Any) -> Any:
        return take(worker, self.world.edge.clock.now, exchange.idempotent)

    def dial(self, worker: Worker, exchange: Any, forwarder: Any) -> None:
        self.world.dialled.append(worker)

        def outcome() -> None:
            if self.fail:
                if not exchange.finished:
                    forwarder.failed(exchange, self.fail.pop(0), Stage.NOTHING_SENT)
                return
            far = FarWorker(self.world, worker)
            self.world.far_workers.append(far)
            if exchange.finished:
                far.connection.rest()
            else:
                forwarder.connected(exchange, far.connection)

        if self.hold:
            self.waiting.append(outcome)
        else:
            self.world.loop.call_soon(outcome)

    def refuse(self, times: int = 1, fault: Fault = CONNECT_FAILED) -> None:
        self.fail += [fault] * times

    def release(self) -> None:
        waiting, self.waiting = self.waiting, []
        for outcome in waiting:
            outcome()
        self.world.loop.run()


class World:
    """One edge, its pool of workers, and everything that was seen of it.

    `script` gives the bytes that answer each request: bytes for all of them, or a callable (far worker, request)
    that feeds what it likes.
    """

    def __init__(
        self,
        script: bytes | Callable[[FarWorker, Request], None] = OK,
        *,
        workers: int = 1,
        limits: Limits | None = None,
        half_closes: bool = True,
        cache: int = 0,
        **route: Any,
    ) -> None:
        self.script = script
        self.half_closes = half_closes
        self.loop = MockLoop()
        self.lines = Lines()
        self.counters = Counters()
        self.reports: list[str] = []
        self.seen: list[Request] = []
        self.dialled: list[Worker] = []
        self.far_workers: list[FarWorker] = []
        self.workers = [Worker(f"w{number}", f"10.0.0.{number}", 8000) for number in range(workers)]
        self.dialer = MockDialer()
        self.dialer.world = self
        self.cache = Store(cache, 1024 * 1024, self.counters) if cache else None
        self.edge = self._edge(limits or Limits(), route)
        self.edge.start()

    def _edge(self, limits: Limits, route: dict[str, Any]) -> Edge:
        nowhere = Route("nowhere", self.counters.route("nowhere"))
        pool_of_all = None if "local" in route else Pool("pool", self.workers, RoundRobin())
        everything = Route("all", self.counters.route("all"), pool_of_all, **route)
        observer = Observer(self.counters, self.lines, Clock(self.loop.time))  # type: ignore[arg-type]
        table = Table(nowhere, everything)
        guard = partial(Guard, rules=Rules(), instance="wire")
        report: Any = self.reports.append
        dialer: Any = self.dialer
        return Edge(self.loop, table, limits, observer, dialer, report, None, self.cache, guard=guard)  # type: ignore[arg-type]

    def client(self, trusted: Any = ()) -> FarClient:
        return FarClient(self, trusted)

    def answer(self, far: FarWorker, request: Request) -> None:
        if callable(self.script):
            self.script(far, request)
        else:
            far.transport.feed(self.script)

    def advance(self, seconds: float) -> None:
        self.loop.advance(seconds)

    @property
    def far(self) -> FarWorker:
        """The worker's end of the connection made last."""
        return self.far_workers[-1]

    @property
    def in_flight(self) -> int:
        return sum(worker.in_flight for worker in self.workers)

    @property
    def faults(self) -> list[str | None]:
        return [record["fault"] for record in self.lines.records]

    @property
    def statuses(self) -> list[int]:
        return [record["http.response.status_code"] for record in self.lines.records]


def silent(far: FarWorker, request: Request) -> None:
    """The script of a worker whose answers the test feeds by hand."""
