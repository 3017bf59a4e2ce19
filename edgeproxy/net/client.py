"""A client's connection: its requests one after the other, each an exchange."""

from __future__ import annotations

from typing import Any

from edgeproxy.cache.store import Store
from edgeproxy.clock import FOREVER
from edgeproxy.errors import (
    BODY_TIMEOUT,
    CLIENT_LEFT,
    HEAD_TIMEOUT,
    HEAD_TOO_LARGE,
    MALFORMED,
    NO_ROUTE,
    Fault,
    ProtocolError,
)
from edgeproxy.http.answer import PROBLEM, error_answer, options_answer, plain_answer, preflight_answer
from edgeproxy.http.framing import NO_BODY
from edgeproxy.http.request import RequestHead, parse_request
from edgeproxy.http.scan import head_end, tail
from edgeproxy.net.edge import Edge
from edgeproxy.net.introduced import IntroducedConnection
from edgeproxy.policy.address import Networks
from edgeproxy.proxy.caching import consult, stored_answer
from edgeproxy.proxy.exchange import TUNNEL, UNTIL_END, Exchange

FIRST_REQUEST = 1.0
"""Seconds that a connection without a request has left when the process leaves: a round trip, and a busy client."""
TURN = 8
"""Requests of one connection that are answered before the others have their turn: who sends thousands in a packet would
keep the process for itself."""


class ClientConnection(IntroducedConnection):
    """Between requests `exchange` is None. `requests` have begun so far, and after `last_begin` none is begun that
    is not its connection's last. `resting`: others have their turn before the next request is looked at."""

    __slots__ = ("last_begin", "lingered", "lingering", "pumping", "requests", "resting", "skipped")

    def __init__(self, edge: Edge, trusted_proxies: Networks) -> None:
        IntroducedConnection.__init__(self, edge, trusted_proxies)
        self.requests = 0
        self.last_begin = FOREVER
        self.pumping = False
        self.resting = False
        self.skipped = False  # an empty line before the request that is being read
        self.lingering = False
        self.lingered = 0

    # The transport's side.

    def connection_made(self, transport: Any) -> None:
        self.attach(transport)
        edge = self.edge
        edge.clock.tick()
        self.loop = edge.guard.loop_line
        self.pseudonym = edge.guard.pseudonym
        edge.clients.add(self)
        if not self.arrived and not self.arrive(transport.get_extra_info("peername")):
            self.abort()  # an answer would cost more than it tells
        edge.counters.connections += 1
        edge.counters.open_connections += 1
        self.read_deadline = edge.clock.now + edge.limits.keep_alive
        self.last_begin = edge.clock.now + edge.limits.client_lifetime
        if edge.scheme == b"https":
            edge.departures.watch(self)  # its end is not told while we write, either

    def data_received(self, data: bytes) -> None:
        self.edge.clock.tick()
        exchange = self.exchange
        if exchange is None:
            if self.closing or self.lingering:
                self._discard(data)
                return
            self.buffer = self.buffer + data if self.buffer else data
            self._pump()
        elif self.body is not None:
            self._body_received(exchange, data)
        elif exchange.framing == TUNNEL:
            exchange.bytes_in += len(data)
            exchange.upstream.tunnel(data)  # type: ignore[union-attr]  # a tunnel ends with its upstream
        else:
            self._hold(data)

    def eof_received(self) -> bool:
        """A client that stops sending has left (RFC 9112 section 9.6 lets us close), except inside a tunnel."""
        exchange = self.exchange
        if exchange is not None and exchange.framing == TUNNEL and exchange.upstream is not None:
            exchange.upstream.end()
            return self.exchange is not None and bool(self.transport.can_write_eof())
        self._left()
        self.close()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.edge.clients.discard(self)
        self.edge.counters.open_connections -= 1
        self.depart()
        self.edge.departures.forget(self)
        self._left()

    def departed(self) -> None:
        if self.exchange is not None and self.exchange.framing != TUNNEL:
            self._left()
            self.abort()

    def pause_writing(self) -> None:
        self.note_unwritable()
        if self.exchange is not None and self.exchange.upstream is not None:
            self.exchange.upstream.pause_reading()

    def resume_writing(self) -> None:
        self.note_writable()
        if self.exchange is not None and self.exchange.upstream is not None:
            self.exchange.upstream.resume_reading()
        elif self.buffer:
            self._pump()

    # Requests.

    def _pump(self) -> None:
        """Serve what is buffered, one request at a time (RFC 9112 section 9.3.2)."""
        if self.pumping:
            return
        self.pumping = True
        left = 0 if self.resting else TURN
        try:
            while self.buffer and self.exchange is None and self.writable and not self.lingering:
                if left == 0:
                    self._rest()
                    break
                left -= 1
                if not self._take_head():
                    break
        finally:
            self.pumping = False
        if len(self.buffer) >= self.edge.limits.buffer:
            self.pause_reading()  # the client reads none of the answers that it has asked for
        elif not self.reading and self.body is None:
            self.resume_reading()

    def _rest(self) -> None:
        if not self.resting:
            self.resting = True
            self.edge.loop.call_soon(self.go_on)

    def go_on(self) -> None:
        """The others have had their turn."""
        self.resting = False
        if not self.transport.is_closing():
            self.edge.clock.tick()
            self._pump()

    def _take_head(self) -> bool:
        """Begin the exchange whose head is at the front of the buffer; False while it is not all there."""
        if self.fresh and self.trusted and not self._introduced():
            return False
        self.fresh = False
        data = self.buffer
        if not self.skipped and data.startswith(b"\r\n"):  # RFC 9112 section 2.2: one empty line is ignored
            self.skipped = True
            data = self.buffer = data[2:]
        end = head_end(data)
        if end < 0 or end > self.edge.limits.head_bytes:
            self._head_incomplete(data, end)
            return False
        try:
            head = parse_request(data, end, self.edge.limits.bounds)
        except ProtocolError as error:
            self._refuse(error.fault, str(error))
            return False
        self.buffer = b""
        self.skipped = False
        self._begin(head, tail(data, end + 4))
        return True

    def _head_incomplete(self, data: bytes, end: int) -> None:
        if end >= 0 or len(data) > self.edge.limits.head_bytes + 3:  # all but the last byte of the empty line
            self._refuse(HEAD_TOO_LARGE, f"the head is larger than {self.edge.limits.head_bytes} bytes")
        elif data.count(b"\n") != data.count(b"\r\n"):
            self._refuse(MALFORMED, "a bare LF in the head")
        elif data and self.read_deadline > self.edge.clock.now + self.edge.limits.head:
            self.read_deadline = self.edge.clock.now + self.edge.limits.head

    def _begin(self, head: RequestHead, rest: bytes) -> None:
        edge = self.edge
        request_id = head.request_id if self.trusted and head.request_id else edge.new_request_id()
        exchange = self.exchange = Exchange(self, head, edge.table, request_id, edge.clock.now)
        self.read_deadline = FOREVER
        self.requests += 1
        if self.requests >= edge.limits.keep_alive_requests or edge.clock.now > self.last_begin:
            exchange.close = True
        if head.length != NO_BODY and head.length != 0:
            self._expect_body(exchange, head, rest)
        else:
            self.buffer = rest
        if self.exchange is None:
            return  # the body was refused
        of_us = head.target == b"*"
        if of_us:
            exchange.preflight = True  # it asks for no key either
        fault = edge.guard.judge(exchange, edge.table)
        if of_us and (fault is None or fault is NO_ROUTE):
            self._answer_options(exchange)
        elif fault is not None:
            self.answer(exchange, fault)
        elif exchange.preflight:
            self._answer_preflight(exchange)
        elif exchange.route.local is not None:
            self._answer_locally(exchange, exchange.route.local)
        elif edge.cache is None or not self._answer_from_cache(exchange, edge.cache):
            edge.forwarder.start(exchange)

    def _answer_options(self, exchange: Exchange) -> None:
        self._conclude(exchange, 204)
        self._end(exchange, options_answer(exchange.request_id, self._date(), exchange.close))

    def _answer_preflight(self, exchange: Exchange) -> None:
        self._conclude(exchange, 204)
        self._end(exchange, preflight_answer(exchange.added, exchange.request_id, self._date(), exchange.close))

    def _answer_locally(self, exchange: Exchange, body: bytes) -> None:
        if exchange.route.reception is not None:
            exchange.route.reception(self, exchange)
            return
        self._conclude(exchange, 200)
        to_head = exchange.head.method == b"HEAD"
        date, kind = self._date(), b"application/json"
        self._end(
            exchange,
            plain_answer(body, kind, exchange.request_id, date, exchange.close, to_head, exchange.added),
        )

    def _conclude(self, exchange: Exchange, status: int) -> None:
        """The answer is the edge's own."""
        exchange.status = status
        exchange.close = exchange.close or not exchange.request_done or self.edge.draining

    def _end(self, exchange: Exchange, answer: bytes) -> None:
        self.write(answer)
        self.finish(exchange)

    def _date(self) -> bytes:
        return self.edge.date.line(self.edge.clock.now)

    def _answer_from_cache(self, exchange: Exchange, cache: Store) -> bool:
        edge = self.edge
        found = consult(cache, exchange, edge.clock.now)
        if found is None:
            return False
        if isinstance(found, Fault):
            self.answer(exchange, found)
            return True
        exchange.close = exchange.close or not exchange.request_done or edge.draining
        answer, body = stored_answer(found, exchange, edge.clock.now)
        if body:
            self.transport.writelines((answer, body))
        else:
            self.write(answer)
        self.finish(exchange)
        return True

    def _hold(self, data: bytes) -> None:
        """Pipelined requests wait until the one before is answered."""
        self.buffer = self.buffer + data if self.buffer else data
        if len(self.buffer) >= self.edge.limits.buffer:
            self.pause_reading()

    # What the exchange asks for.

    def answer(self, exchange: Exchange, fault: Fault, detail: str = "") -> None:
        exchange.fault = fault
        self._conclude(exchange, fault.status)
        answer = error_answer(
            fault,
            detail,
            exchange.request_id,
            exchange.route.dialect,
            self._date(),
            exchange.close,
            exchange.head.method == b"HEAD",
            exchange.added,
        )
        self._end(exchange, answer)

    def finish(self, exchange: Exchange) -> None:
        self.end_bulk()
        exchange.finished = True
        self.exchange = None
        self.edge.observer.ended(exchange)
        if exchange.close or self.edge.draining:
            self._close(unread=not exchange.request_done or bool(self.buffer))
            return
        self.read_deadline = self.edge.clock.now + self.edge.limits.keep_alive
        if self.buffer or not self.reading:
            self._pump()

    def follow(self, exchange: Exchange) -> None:
        self.exchange = exchange

    def break_off(self, exchange: Exchange, fault: Fault) -> None:
        """The client must see that the answer is not whole: too few bytes, no last chunk, or a reset where only
        the end of the connection marks the end of the body (RFC 9112 section 8)."""
        self.end_bulk()
        exchange.finished = True
        exchange.fault = fault
        self.exchange = None
        self.body = None
        self.edge.observer.ended(exchange)
        if exchange.framing == UNTIL_END:
            self.abort()
        else:
            self.close()

    def switched(self) -> None:
        self.read_deadline = FOREVER  # the upstream's deadline watches over the tunnel
        self.resume_reading()
        if self.buffer:
            early, self.buffer = self.buffer, b""
            self.exchange.upstream.tunnel(early)  # type: ignore[union-attr]

    def write_eof(self) -> bool:
        if self.transport.is_closing() or not self.transport.can_write_eof():
            return False
        self.transport.write_eof()
        return True

    # Endings.

    def _refuse(self, fault: Fault, detail: str) -> None:
        """Bytes that are no request: say so, then close so that the answer can be read."""
        self.edge.counters.fault(fault.name)
        if fault.violation:
            self.edge.guard.violated(self.source)
        request_id = self.edge.new_request_id()
        self.write(error_answer(fault, detail, request_id, PROBLEM, self._date(), close=True, to_head=False))
        self._close(unread=True)

    def _close(self, unread: bool) -> None:
        """Close; where the client may still be sending, read on for a moment, or the kernel would answer its
        bytes with a reset that destroys our last answer (RFC 9112 section 9.6)."""
        self.buffer = b""
        self.body = None
        if not unread or not self.transport.can_write_eof():
            self.close()
            return
        self.lingering = True
        self.read_deadline = self.edge.clock.now + self.edge.limits.linger
        self.await_reader()
        self.resume_reading()
        self.transport.write_eof()

    def _discard(self, data: bytes) -> None:
        self.lingered += len(data)
        if self.lingered > self.edge.limits.buffer:
            self.close()

    def _left(self) -> None:
        exchange = self.exchange
        if exchange is None:
            return
        self.edge.clock.tick()
        self.end_bulk()
        self.exchange = None
        self.body = None
        exchange.finished = True
        if exchange.framing != TUNNEL:
            exchange.fault = CLIENT_LEFT
            exchange.status = exchange.status or CLIENT_LEFT.status
        self.edge.forwarder.cancel(exchange)
        self.edge.observer.ended(exchange)

    def drain(self) -> None:
        """The process is leaving: a connection at rest ends now, one at work with its exchange. One that has not asked
        yet has been opened to ask: its request may be on its way, and gets a moment."""
        if self.exchange is not None or self.buffer or self.lingering:
            return
        if self.requests:
            self.close()
        else:
            self.read_deadline = min(self.read_deadline, self.edge.clock.now + FIRST_REQUEST)

    def due(self, now: float) -> None:
        exchange = self.exchange
        if self.closing:
            self.closing_due(now)
        elif self.write_deadline <= now:
            if not self.reads_on(now):
                self.abort()
        elif self.lingering and self.transport.get_write_buffer_size():
            self.read_deadline = now + self.edge.limits.linger
        elif exchange is None:
            if self.buffer:
                self._refuse(HEAD_TIMEOUT, "")
            else:
                self.close()
        elif exchange.framing == TUNNEL:
            self.abort()
        else:
            self._refuse_body(exchange, BODY_TIMEOUT, "")
