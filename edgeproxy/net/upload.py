"""The half of a client's connection that takes request bodies: framing, rate, flow, and the short way past us."""

from __future__ import annotations

from typing import Any

from edgeproxy.clock import FOREVER
from edgeproxy.errors import BODY_TOO_LARGE, MALFORMED, Fault, ProtocolError
from edgeproxy.http.body import BodyReader
from edgeproxy.http.request import RequestHead
from edgeproxy.net.bulk import BULK_BYTES, SOURCE_ENDED, WHOLE, able
from edgeproxy.net.connection import Connection
from edgeproxy.net.edge import Edge
from edgeproxy.proxy.exchange import Exchange


class UploadingConnection(Connection):
    """`body` is there while a request body is being read; `buffer` holds what came behind it, or is not yet a whole
    head."""

    __slots__ = ("body", "buffer", "exchange")

    def __init__(self, edge: Edge) -> None:
        Connection.__init__(self, edge)
        self.exchange: Exchange | None = None
        self.buffer = b""
        self.body: BodyReader | None = None

    def _expect_body(self, exchange: Exchange, head: RequestHead, rest: bytes) -> None:
        if head.length > (exchange.route.policy.body_bytes or self.edge.limits.body_bytes):
            self._refuse_body(exchange, BODY_TOO_LARGE, "")
            return
        if head.method in (b"GET", b"HEAD", b"DELETE", b"OPTIONS"):
            exchange.close = exchange.exclusive = True  # legal, and often misread
        exchange.request_done = False
        self.body = BodyReader(head.length, MALFORMED, self.edge.limits.bounds)
        self.begin_pace(0)
        self.read_deadline = self._body_deadline(self.edge.clock.now)
        if rest:
            self._body_received(exchange, rest)

    def _body_received(self, exchange: Exchange, data: bytes) -> None:
        body = self.body
        assert body is not None
        try:
            payload, rest = body.feed(data)
        except ProtocolError as error:
            self._refuse_body(exchange, error.fault, str(error))
            return
        if exchange.bytes_in + len(payload) > (exchange.route.policy.body_bytes or self.edge.limits.body_bytes):
            self._refuse_body(exchange, BODY_TOO_LARGE, "")
            return
        if body.done:
            self.body = None
            exchange.request_done = True
            self.buffer = rest
            self.read_deadline = FOREVER
        if payload or body.done:
            exchange.take(payload)
        if self.body is None:
            return
        if self.reading:  # else the worker takes no more for now
            self.read_deadline = self._body_deadline(self.edge.clock.now)
        if exchange.upstream is None:
            if exchange.bytes_in > self.edge.limits.buffer:
                self.pause_body()
        elif body.left >= BULK_BYTES:
            self._try_bulk(exchange, body)

    def _body_deadline(self, now: float) -> float:
        """When more of the body must be there."""
        received = self.exchange.bytes_in if self.exchange is not None else 0
        return self.paced(now, self.edge.limits.body_idle, received)

    def _try_bulk(self, exchange: Exchange, body: BodyReader) -> None:
        """The rest of a large body goes from socket to socket, unless it may have to be sent again from memory."""
        upstream: Any = exchange.upstream
        if (
            (not exchange.replayable or exchange.head.length > exchange.route.replay_bytes)
            and self.reading
            and able(upstream.transport)
            and able(self.transport)
        ):
            exchange.forget()
            self.watch_for_departure()
            self.begin_bulk(upstream, body.left)

    def bulk_moved(self, count: int) -> None:
        assert self.exchange is not None
        assert self.body is not None
        self.exchange.bytes_in += count
        self.body.skip(count)
        self.read_deadline = self._body_deadline(self.edge.clock.tick())

    def bulk_waits_for_sink(self, waits: bool) -> None:
        assert self.exchange is not None
        upstream: Any = self.exchange.upstream
        if waits:
            self.read_deadline = FOREVER
            upstream.await_reader()
        else:
            self.begin_pace(self.exchange.bytes_in)
            self.read_deadline = self._body_deadline(self.edge.clock.now)
            upstream.write_deadline = FOREVER

    def bulk_ended(self, outcome: int) -> None:
        self.bulk = None
        exchange = self.exchange
        assert exchange is not None
        upstream: Any = exchange.upstream
        if outcome == WHOLE:
            self.body = None
            exchange.request_done = True
            self.read_deadline = upstream.write_deadline = FOREVER
            self.resume_reading()
            upstream.sent()
        elif outcome == SOURCE_ENDED:
            self.abort()
        else:  # the upstream's own reader finds out: an early answer, or the end
            upstream.read_deadline = self.edge.clock.now + self.edge.limits.linger

    def _refuse_body(self, exchange: Exchange, fault: Fault, detail: str) -> None:
        self.body = None
        exchange.fault = fault
        exchange.request_done = False
        self.edge.forwarder.cancel(exchange)
        if exchange.responding:
            self.break_off(exchange, fault)
        else:
            self.answer(exchange, fault, detail)

    def pause_reading(self) -> None:
        Connection.pause_reading(self)
        self.watch_for_departure()

    def watch_for_departure(self) -> None:
        """Somebody works for it, and we shall not read that it has left."""
        if self.watched < 0 and self.exchange is not None:
            self.edge.departures.watch(self)

    def pause_body(self) -> None:
        """Time does not run against a client that we do not read."""
        self.pause_reading()
        if self.body is not None:
            self.read_deadline = FOREVER

    def resume_body(self) -> None:
        if not self.reading and len(self.buffer) < self.edge.limits.buffer:
            self.resume_reading()
            if self.body is not None and self.exchange is not None:
                self.begin_pace(self.exchange.bytes_in)
                self.read_deadline = self._body_deadline(self.edge.clock.now)
