"""A connection to a worker: one exchange at a time, and between exchanges at rest in the worker's idle pool."""

from __future__ import annotations

from typing import Any

from edgeproxy.clock import FOREVER
from edgeproxy.errors import (
    BAD_RESPONSE,
    RESET,
    RESET_REUSED,
    RESPONSE_TIMEOUT,
    STALLED,
    TRUNCATED,
    Fault,
    ProtocolError,
)
from edgeproxy.http.body import BodyReader
from edgeproxy.http.framing import NO_BODY
from edgeproxy.http.response import ResponseHead, parse_response
from edgeproxy.http.scan import head_end, tail
from edgeproxy.http.websocket import accept_of
from edgeproxy.net.bulk import BULK_BYTES, SOURCE_ENDED, WHOLE, able, has_more
from edgeproxy.net.connection import Connection
from edgeproxy.net.edge import Edge
from edgeproxy.net.limits import MAX_INTERIM
from edgeproxy.net.pool import PooledConnection
from edgeproxy.policy.retry import Stage
from edgeproxy.policy.worker import Worker
from edgeproxy.proxy.exchange import CHUNKED, RAW, TUNNEL, Exchange
from edgeproxy.proxy.relay import (
    interim_head,
    request_head,
    request_payload,
    response_payload,
    response_start,
    switching_head,
)

UNASKED = "upstream_unasked"
"""Counted where a worker says more than it was asked: it is hostile, broken, or answers somebody else."""
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class UpstreamConnection(PooledConnection):
    """While `exchange` is set, everything that arrives belongs to it; anything else that arrives is hostile."""

    __slots__ = (
        "body",
        "buffer",
        "exchange",
        "half_closed",
        "interim",
        "keep",
    )

    def __init__(self, edge: Edge, worker: Worker) -> None:
        PooledConnection.__init__(self, edge, worker)
        self.exchange: Exchange | None = None
        self.buffer = b""
        self.body: BodyReader | None = None
        self.half_closed = False  # one side of a tunnel has finished
        self.keep = False
        self.interim = 0

    # The transport's side.

    def connection_made(self, transport: Any) -> None:
        self.attach(transport)
        self.edge.upstreams.add(self)

    def data_received(self, data: bytes) -> None:
        self.edge.clock.tick()
        exchange = self.exchange
        if exchange is None:
            self.edge.counters.fault(UNASKED)  # perhaps another's answer
            self.abort()  # a worker speaks only when asked
        elif self.body is not None:
            self.worker.heard(self.edge.clock.now)
            self._take_body(exchange, self.body, data)
        elif exchange.framing == TUNNEL:
            self.read_deadline = self.edge.clock.now + self.edge.limits.tunnel_idle
            exchange.bytes_out += len(data)
            exchange.client.write(data)
        else:
            self._take_head(exchange, self.buffer + data if self.buffer else data)

    def eof_received(self) -> bool:
        exchange = self.exchange
        if exchange is None or exchange.framing != TUNNEL:
            if self.transport.get_write_buffer_size():
                self.abort()  # one that has said its last word need not hear ours
            return False
        if not self.half_closed and exchange.client.write_eof() and self.transport.can_write_eof():
            self.half_closed = True
            return True
        self._tunnel_over(exchange)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.edge.upstreams.discard(self)
        self.edge.clock.tick()
        self.end_bulk()
        exchange = self.exchange
        if exchange is None:
            self.forget()
        elif exchange.framing == TUNNEL:
            self.exchange = None
            exchange.close = True
            self.edge.forwarder.succeeded(exchange)
        elif self.body is not None and self.body.ends_with_connection and exc is None:
            self._body_ended(exchange)
        else:
            self._lost(exchange)

    def pause_reading(self) -> None:
        """Time does not run against a worker that we do not read."""
        Connection.pause_reading(self)
        if self.exchange is not None and self.exchange.responding:
            self.read_deadline = FOREVER

    def resume_reading(self) -> None:
        Connection.resume_reading(self)
        if self.exchange is not None and self.exchange.responding:
            self.begin_pace(self.exchange.bytes_out)
            self.read_deadline = self._until_next(self.exchange)

    def pause_writing(self) -> None:
        self.note_unwritable()
        if self.exchange is not None:
            self.exchange.client.pause_body()

    def resume_writing(self) -> None:
        self.note_writable()
        if self.exchange is not None:
            self.exchange.client.resume_body()

    # The request.

    def begin(self, exchange: Exchange) -> None:
        edge = self.edge
        self.exchange = exchange
        exchange.answered_by = self.worker.id
        head = request_head(exchange, self.worker)
        if exchange.unsent:
            head += request_payload(exchange, b"".join(exchange.unsent))
            exchange.unsent = None
        elif exchange.head.expect_continue and not exchange.request_done:
            exchange.client.write(_CONTINUE)  # answered here, never forwarded (RFC 9110 section 10.1.1)
        self.write(head)
        self.read_deadline = (
            exchange.until(edge.clock.now + edge.limits.first_byte) if exchange.request_done else FOREVER
        )
        if not exchange.request_done and self.writable:
            exchange.client.resume_body()

    def send(self, payload: bytes) -> None:
        exchange = self.exchange
        assert exchange is not None
        self.write(request_payload(exchange, payload))
        if exchange.request_done:
            self.sent()

    def sent(self) -> None:
        """The request is complete: from now on the worker is waited for."""
        if self.exchange is not None and not self.exchange.responding:
            self.read_deadline = self.exchange.until(self.edge.clock.now + self.edge.limits.first_byte)

    def tunnel(self, data: bytes) -> None:
        self.write(data)
        self.read_deadline = self.edge.clock.now + self.edge.limits.tunnel_idle

    def end(self) -> None:
        exchange = self.exchange
        assert exchange is not None
        if self.half_closed or not self.transport.can_write_eof():
            self._tunnel_over(exchange)
        elif not self.transport.is_closing():
            self.half_closed = True
            self.transport.write_eof()

    def _tunnel_over(self, exchange: Exchange) -> None:
        self.exchange = None
        self.close()
        self.edge.forwarder.succeeded(exchange)

    def cancel(self) -> None:
        self.end_bulk()
        self.exchange = None
        self.abort()

    # The answer.

    def _take_head(self, exchange: Exchange, data: bytes) -> None:
        end, limits = head_end(data), self.edge.limits
        if end < 0 or end > limits.answer_head_bytes:
            self.buffer = data
            if end >= 0 or len(data) > limits.answer_head_bytes + 3 or data.count(b"\n") != data.count(b"\r\n"):
                self._fail(exchange, BAD_RESPONSE, Stage.NONSENSE)
            return
        self.buffer = b""
        try:
            head = parse_response(data, end, exchange.head.method == b"HEAD", limits.bounds)
            if head.status >= 200:
                self._answer_begins(exchange, head, tail(data, end + 4))
            elif head.status == 101:
                self._switch(exchange, head, tail(data, end + 4))
            else:
                self._pass_interim(exchange, head, tail(data, end + 4))
        except ProtocolError as error:
            self._fail(exchange, error.fault, Stage.NONSENSE)

    def _pass_interim(self, exchange: Exchange, head: ResponseHead, rest: bytes) -> None:
        self.interim += 1
        if self.interim > MAX_INTERIM:
            raise ProtocolError(BAD_RESPONSE, "too many 1xx answers")
        if head.status != 100 and exchange.head.minor == 1:
            exchange.client.write(interim_head(head))
        if rest:
            self._take_head(exchange, rest)

    def _answer_begins(self, exchange: Exchange, head: ResponseHead, rest: bytes) -> None:
        self.worker.heard(self.edge.clock.now)
        fault = self.edge.forwarder.answering(exchange, head)
        if fault is not None:
            raise ProtocolError(fault, "not the worker's answer")
        body, payload, extra = None, rest, b""
        if head.length != len(rest) and (rest or head.length != NO_BODY):  # else all of it is here
            body = BodyReader(head.length, BAD_RESPONSE, self.edge.limits.bounds)
            payload, extra = body.feed(rest) if rest else (b"", b"")
            body = None if body.done else body
        if head.idle_limit:
            self.worker.advertised_idle_limit(head.idle_limit)
        exchange.responding = True
        exchange.status = head.status
        exchange.bytes_out += len(payload)
        exchange.close = exchange.close or not exchange.request_done or self.edge.draining
        self.keep = head.keep_alive and exchange.request_done and not exchange.exclusive and not extra
        if extra:
            self.edge.counters.fault(UNASKED)
        if exchange.record is not None:
            self._record(exchange, head, payload)
        exchange.client.write(response_start(exchange, head, payload, body is None))
        if body is None:
            self._complete(exchange)
            return
        self.body = body
        self.begin_pace(exchange.bytes_out)
        self.read_deadline = self._until_next(exchange)
        if body.left >= BULK_BYTES:
            self._try_bulk(exchange, body)

    def _record(self, exchange: Exchange, head: ResponseHead, payload: bytes) -> None:
        now = self.edge.clock.now
        exchange.recorded = exchange.record.begin(exchange, head, now, self.edge.date.line(now))
        if exchange.recorded:
            exchange.record.add(payload)

    def _take_body(self, exchange: Exchange, body: BodyReader, data: bytes) -> None:
        try:
            payload, extra = body.feed(data)
        except ProtocolError as error:
            self._fail(exchange, error.fault, Stage.FORWARDED)
            return
        exchange.bytes_out += len(payload)
        if exchange.recorded:
            exchange.record.add(payload)
        if exchange.framing == CHUNKED:
            payload = response_payload(exchange, payload, body.done)
        if payload:
            exchange.client.write(payload)
        if body.done:
            if extra:
                self.keep = False
                self.edge.counters.fault(UNASKED)
            self._complete(exchange)
        else:
            self.read_deadline = self._until_next(exchange)
            if body.left >= BULK_BYTES:
                self._try_bulk(exchange, body)

    def _try_bulk(self, exchange: Exchange, body: BodyReader) -> None:
        """The rest of a large body goes from socket to socket, once all before it is on its way."""
        client: Any = exchange.client
        if (
            exchange.framing == RAW
            and not exchange.recorded
            and self.reading
            and able(client.transport)
            and able(self.transport)
        ):
            self.begin_bulk(client, body.left)

    def bulk_moved(self, count: int) -> None:
        exchange, body = self.exchange, self.body
        assert exchange is not None
        assert body is not None
        exchange.bytes_out += count
        body.skip(count)
        self.read_deadline = self.paced(self.edge.clock.tick(), self.edge.limits.stream_idle, exchange.bytes_out)

    def bulk_waits_for_sink(self, waits: bool) -> None:
        assert self.exchange is not None
        client: Any = self.exchange.client
        if waits:
            self.read_deadline = FOREVER
            client.await_reader()
        else:
            self.begin_pace(self.exchange.bytes_out)
            self.read_deadline = self._until_next(self.exchange)
            client.write_deadline = FOREVER

    def bulk_ended(self, outcome: int) -> None:
        self.bulk = None
        exchange = self.exchange
        assert exchange is not None
        client: Any = exchange.client
        if outcome == WHOLE:
            client.write_deadline = FOREVER
            self.keep = self.keep and not has_more(self.transport)
            Connection.resume_reading(self)
            self._complete(exchange)
        elif outcome == SOURCE_ENDED:
            self._fail(exchange, TRUNCATED, Stage.FORWARDED)
        else:
            client.abort()

    def _until_next(self, exchange: Exchange) -> float:
        """When the next piece of the answer must be there."""
        limits, now = self.edge.limits, self.edge.clock.now
        if not self.reading and self.bulk is None:
            return FOREVER
        if exchange.framing == TUNNEL:
            return now + limits.tunnel_idle
        if self.body is not None and self.body.left >= 0:
            return self.paced(now, limits.stream_idle, exchange.bytes_out)
        return now + limits.stream_idle  # a stream says something now and then

    def _body_ended(self, exchange: Exchange) -> None:
        """The worker closed, and that is how its answer was to end (RFC 9112 section 6.3, rule 8)."""
        if exchange.framing == CHUNKED:
            exchange.client.write(response_payload(exchange, b"", done=True))
        self.keep = False
        self._complete(exchange)

    def _switch(self, exchange: Exchange, head: ResponseHead, rest: bytes) -> None:
        """101 only to one who asked, and only if the worker has understood the asking (RFC 6455 section 4.1)."""
        key = exchange.head.websocket_key
        if not key or head.upgrade.lower() != b"websocket" or head.websocket_accept != accept_of(key):
            raise ProtocolError(BAD_RESPONSE, "101 without a matching handshake")
        self.worker.heard(self.edge.clock.now)
        self.edge.forwarder.answering(exchange, head)
        exchange.responding = True
        exchange.status = 101
        exchange.client.write(switching_head(exchange, head) + rest)
        self.read_deadline = self.edge.clock.now + self.edge.limits.tunnel_idle
        exchange.client.switched()

    # Endings.

    def _complete(self, exchange: Exchange) -> None:
        self.exchange = None
        self.body = None
        self.interim = 0
        if self.keep and self.writable:
            self.rest()
        else:
            self.close()
        self.edge.forwarder.succeeded(exchange)

    def _lost(self, exchange: Exchange) -> None:
        self.exchange = None
        if exchange.responding:
            self.edge.forwarder.failed(exchange, TRUNCATED, Stage.FORWARDED)
        elif self.buffer:
            self.edge.forwarder.failed(exchange, TRUNCATED, Stage.ANSWERING)
        elif self.reused:
            self.worker.saw_race(self.idle_age)
            self.edge.forwarder.failed(exchange, RESET_REUSED, Stage.SENT, reused=True)
        else:
            self.edge.forwarder.failed(exchange, RESET, Stage.SENT)

    def _fail(self, exchange: Exchange, fault: Fault, stage: Stage) -> None:
        self.end_bulk()
        self.exchange = None
        self.abort()
        self.edge.forwarder.failed(exchange, fault, Stage.FORWARDED if exchange.responding else stage)

    def drain(self) -> None:
        if self.exchange is None:
            self.close()

    def due(self, now: float) -> None:
        exchange = self.exchange
        if exchange is None:
            if self.closing:
                self.closing_due(now)
            else:
                self.close()
        elif self.write_deadline <= now and self.reads_on(now):
            return
        elif exchange.framing == TUNNEL:
            self.abort()
        else:
            fault = STALLED if exchange.responding else RESPONSE_TIMEOUT
            self._fail(exchange, fault, Stage.SENT)
