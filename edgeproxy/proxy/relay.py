"""What goes over the wire on each side: heads written anew, payload framed anew (RFC 9112 sections 6 and 7)."""

from __future__ import annotations

from edgeproxy.http.answer import STATUS_LINES
from edgeproxy.http.chunked import LAST_CHUNK, chunk
from edgeproxy.http.framing import NO_BODY, UNTIL_CHUNKED, content_length
from edgeproxy.http.request import RequestHead
from edgeproxy.http.response import ResponseHead
from edgeproxy.policy.worker import Worker
from edgeproxy.proxy.exchange import CHUNKED, RAW, TUNNEL, UNTIL_END, Exchange, Peer

VIA = b"Via: 1.1 edgeproxy\r\n"
_VIA_AND_ID = VIA + b"X-Request-ID: "
_VIA_1_0_AND_ID = b"Via: 1.0 edgeproxy\r\nX-Request-ID: "
_UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
_STATUS_LINES = [STATUS_LINES.get(status, b"") for status in range(600)]
_WITH_BODY = frozenset({b"POST", b"PUT", b"PATCH"})


def request_head(exchange: Exchange, worker: Worker) -> bytes:
    """The request line and fields for one worker, closing empty line included."""
    head = exchange.head
    target = _target(head.target, exchange.route.strip)
    return b"".join(
        (
            head.method,
            b" ",
            worker.base_path + target if worker.base_path else target,
            worker.line_end,
            head.fields + exchange.credentials if exchange.credentials else head.fields,
            _request_framing(head),
            _ours(exchange.client, head),
            exchange.request_id,
            b"\r\n\r\n",
        )
    )


def _ours(client: Peer, head: RequestHead) -> bytes:
    """The fields that we add, as far as the request's id. A connection's requests tend to be for one host, and
    then they are all the same."""
    if client.trusted and head.forwarded:
        forwarded, host = _with_earlier_proxies(head, client.forwarded)
        return _written(client, head, forwarded, host)
    if client.host != head.host or client.minor != head.minor:
        client.host, client.minor = head.host, head.minor
        client.ours = _written(client, head, client.forwarded, head.host)
    return client.ours


def _written(client: Peer, head: RequestHead, forwarded: bytes, host: bytes) -> bytes:
    return b"Via: 1.%d %b\r\n%b%bX-Forwarded-Host: %b\r\nX-Request-ID: " % (
        head.minor,
        client.pseudonym,
        client.loop,
        forwarded,
        host,
    )


def _target(target: bytes, strip: int) -> bytes:
    """The path and query as the worker knows them: without what is the edge's own, and always from a slash on."""
    if strip == 0:
        return target
    target = target[strip:]
    return target if target.startswith(b"/") else b"/" + target


def _request_framing(head: RequestHead) -> bytes:
    if head.length >= 0:
        return content_length(head.length)
    if head.length == UNTIL_CHUNKED:
        return b"Transfer-Encoding: chunked\r\n"
    if head.websocket_key:
        return _UPGRADE
    return b"Content-Length: 0\r\n" if head.method in _WITH_BODY else b""


def _with_earlier_proxies(head: RequestHead, own: bytes) -> tuple[bytes, bytes]:
    """A trusted proxy's account of the client, with its own address appended (X-Forwarded-For is a list), and the
    host that the client has asked it for."""
    address, _, scheme = own.partition(b"\r\n")
    hops, hosts, others = [], [], b""
    for name, value in head.forwarded or ():
        lowered = name.lower()
        if lowered == b"x-forwarded-for":
            hops.append(value)
        elif lowered == b"x-forwarded-host":
            hosts.append(value)
        else:
            others += name + b": " + value + b"\r\n"
            if lowered == b"x-forwarded-proto":
                scheme = b""
    hops.append(address.partition(b": ")[2])
    return b"X-Forwarded-For: " + b", ".join(hops) + b"\r\n" + scheme + others, (hosts or [head.host])[0]


def request_payload(exchange: Exchange, payload: bytes) -> bytes:
    """A piece of the request body as the worker gets it; the last one ends the chunked coding."""
    if exchange.head.length != UNTIL_CHUNKED:
        return payload
    framed = chunk(payload) if payload else b""
    return framed + LAST_CHUNK if exchange.request_done else framed


def response_start(exchange: Exchange, head: ResponseHead, payload: bytes, done: bool) -> bytes:
    """The status line and fields for the client, and what has come of the body, `done`: all of it; settles how the
    payload is framed from here on."""
    framing = _response_framing(exchange, head)
    if exchange.cache_status:
        framing += exchange.cache_status
    return b"".join(
        (
            _STATUS_LINES[head.status] or b"HTTP/1.1 %d %b\r\n" % (head.status, head.reason),
            head.fields,
            head.guarded if exchange.route.trusted else b"",
            exchange.added if exchange.cors or not head.cors else head.cors + exchange.added,
            framing,
            _VIA_AND_ID if head.minor == 1 else _VIA_1_0_AND_ID,
            exchange.request_id,
            _connection(exchange),
            payload if exchange.framing != CHUNKED else response_payload(exchange, payload, done),
        )
    )


def _response_framing(exchange: Exchange, head: ResponseHead) -> bytes:
    exchange.framing = RAW
    if head.length >= 0:
        return content_length(head.length)
    if head.length == NO_BODY:
        return b""
    if exchange.head.minor == 0:
        exchange.framing = UNTIL_END
        exchange.close = True
        return b""
    exchange.framing = CHUNKED
    return b"Transfer-Encoding: chunked\r\n"


def _connection(exchange: Exchange) -> bytes:
    """The end of the head, with what the client is to know of the connection."""
    if exchange.close:
        return b"\r\nConnection: close\r\n\r\n"
    return b"\r\n\r\n" if exchange.head.minor == 1 else b"\r\nConnection: keep-alive\r\n\r\n"


def response_payload(exchange: Exchange, payload: bytes, done: bool) -> bytes:
    """A piece of the response body as the client gets it; `done`: nothing follows it."""
    if exchange.framing != CHUNKED:
        return payload
    framed = chunk(payload) if payload else b""
    return framed + LAST_CHUNK if done else framed


def switching_head(exchange: Exchange, head: ResponseHead) -> bytes:
    """101: from here on both connections carry bytes that are not ours to read."""
    exchange.framing = TUNNEL
    return b"HTTP/1.1 101 Switching Protocols\r\n%b%bSec-WebSocket-Accept: %b\r\n%bX-Request-ID: %b\r\n\r\n" % (
        _UPGRADE,
        head.fields,
        head.websocket_accept,
        VIA,
        exchange.request_id,
    )


def interim_head(head: ResponseHead) -> bytes:
    """A 1xx other than 100 and 101, passed on as it came (RFC 9110 section 15.2)."""
    return b"HTTP/1.1 %d %b\r\n%b\r\n" % (head.status, head.reason, head.fields)
