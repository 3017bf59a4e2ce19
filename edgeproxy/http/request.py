"""Request heads: bytes in, one typed `RequestHead` out, or a ProtocolError that says what to answer.

Strict where two readers could differ (RFC 9112 sections 2-7, 11): what is refused here can never be understood
one way by us and another way by a worker.
"""

from __future__ import annotations

import re

from edgeproxy.errors import (
    HEAD_TOO_LARGE,
    MALFORMED,
    METHOD_REFUSED,
    UNKNOWN_CODING,
    UNKNOWN_EXPECTATION,
    UNKNOWN_VERSION,
    URI_TOO_LONG,
    ProtocolError,
)
from edgeproxy.http.fields import (
    CONNECTION,
    CONTENT_LENGTH,
    DROP,
    EXPECT,
    FORWARDED,
    HOST,
    PLAIN,
    REQUEST_FIELDS,
    REQUEST_ID,
    SINGLE,
    TRANSFER_ENCODING,
    UPGRADE,
    WEBSOCKET_KEY,
    WEBSOCKET_VERSION,
)
from edgeproxy.http.framing import NO_BODY, UNTIL_CHUNKED, connection_options, parse_content_length, without
from edgeproxy.http.scan import scan_fields, scan_request_line

MAX_FIELDS = 100
MAX_TARGET = 8192
_MAX_METHOD = 32

_REFUSED_METHODS = frozenset({b"CONNECT", b"TRACE"})

_VERSION = re.compile(rb"HTTP/[0-9]\.[0-9]")
_HOST = re.compile(rb"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_ABSOLUTE = re.compile(rb"https?://([^/?]*)(.*)", re.IGNORECASE | re.DOTALL)
_WEBSOCKET_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")
_CODINGS = re.compile(rb"[a-z]+(?:[ \t]*,[ \t]*[a-z]+)*[ \t]*,[ \t]*chunked")

IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"})
"""Methods whose repetition changes nothing (RFC 9110 section 9.2.2); TRACE is never served."""


class RequestHead:
    """A request as we understand it; nothing of it is forwarded but what is named here.

    `length` is the body's size in bytes, NO_BODY or UNTIL_CHUNKED. `fields` are the end-to-end field lines, each
    with its CRLF. `forwarded` are (name, value) of fields in which an earlier proxy speaks of the client.
    """

    __slots__ = (
        "expect_continue",
        "fields",
        "forwarded",
        "host",
        "keep_alive",
        "length",
        "method",
        "minor",
        "request_id",
        "target",
        "websocket_key",
    )

    def __init__(self, method: bytes, target: bytes, minor: int) -> None:
        self.method = method
        self.target = target
        self.minor = minor
        self.host = b""
        self.length = NO_BODY
        self.keep_alive = minor == 1
        self.expect_continue = False
        self.websocket_key = b""
        self.request_id = b""
        self.fields = b""
        self.forwarded: list[tuple[bytes, bytes]] | None = None


class _Special:
    """What must be seen of a whole head before it can be judged: fields that frame, route or upgrade."""

    __slots__ = ("codings", "connection", "expect", "hosts", "lengths", "singles", "upgrade", "version")

    def __init__(self) -> None:
        self.hosts: list[bytes] | None = None
        self.lengths: list[bytes] | None = None
        self.codings: list[bytes] | None = None
        self.connection: list[bytes] | None = None
        self.upgrade: list[bytes] | None = None
        self.expect: list[bytes] | None = None
        self.version = b""
        self.singles = 0


def parse_request(data: bytes, end: int) -> RequestHead:
    """Parse the head data[:end], which the empty line data[end:end + 4] closes."""
    line_end = data.find(b"\r\n", 0, end + 2)
    head = _parse_request_line(data, line_end)
    notes = scan_fields(data, line_end + 2, end + 2, REQUEST_FIELDS, MALFORMED)
    if notes.count > MAX_FIELDS:
        raise ProtocolError(HEAD_TOO_LARGE, f"more than {MAX_FIELDS} fields")
    head.fields = notes.plain
    _judge(head, notes.noted)
    return head


def _parse_request_line(data: bytes, end: int) -> RequestHead:
    method_end, target_end = scan_request_line(data)
    minor = _minor_version(data[target_end + 1 : end])
    if method_end > _MAX_METHOD:
        raise ProtocolError(MALFORMED, "the method is too long")
    if target_end - method_end > MAX_TARGET:
        raise ProtocolError(URI_TOO_LONG, "the target is longer than 8 KiB")
    method = data[:method_end]
    if method in _REFUSED_METHODS:
        raise ProtocolError(METHOD_REFUSED, "CONNECT and TRACE are not served")
    return RequestHead(method, data[method_end + 1 : target_end], minor)


def _minor_version(version: bytes) -> int:
    if version == b"HTTP/1.1":
        return 1
    if version == b"HTTP/1.0":
        return 0
    other_major = _VERSION.fullmatch(version) and not version.startswith(b"HTTP/1")
    raise ProtocolError(UNKNOWN_VERSION if other_major else MALFORMED, "not HTTP/1.1 or HTTP/1.0")


def _judge(head: RequestHead, noted: list[tuple[int, bytes, bytes]]) -> None:
    if len(noted) == 1 and noted[0][0] == HOST and head.minor == 1:
        _settle_host(head, [noted[0][2]])
        return
    special = _Special()
    for kind, name, value in noted:
        _note(head, special, kind, name, value)
    _settle_host(head, special.hosts or [])
    if special.lengths or special.codings:
        head.length = _settle_length(head, special)
    upgrading = _settle_connection(head, special.connection) if special.connection else False
    if special.expect:
        _settle_expectation(head, special.expect)
    if special.upgrade or head.websocket_key:
        _settle_upgrade(head, special, upgrading)


def _note(head: RequestHead, special: _Special, kind: int, name: bytes, value: bytes) -> None:
    if kind == HOST:
        special.hosts = _and(special.hosts, value)
    elif kind == CONTENT_LENGTH:
        special.lengths = _and(special.lengths, value)
    elif kind == CONNECTION:
        special.connection = _and(special.connection, value)
    elif kind == SINGLE:
        _note_single(special, name)
        head.fields += name + b": " + value + b"\r\n"
    elif kind == TRANSFER_ENCODING:
        special.codings = _and(special.codings, value)
    elif kind == FORWARDED:
        head.forwarded = [*(head.forwarded or ()), (name, value)]
    elif kind == REQUEST_ID:
        head.request_id = value
    elif kind == UPGRADE:
        special.upgrade = _and(special.upgrade, value)
    elif kind == EXPECT:
        special.expect = _and(special.expect, value)
    elif kind == WEBSOCKET_KEY:
        head.websocket_key = value
        head.fields += name + b": " + value + b"\r\n"
    elif kind == WEBSOCKET_VERSION:
        special.version = value
        head.fields += name + b": " + value + b"\r\n"


def _and(values: list[bytes] | None, value: bytes) -> list[bytes]:
    if values is None:
        return [value]
    values.append(value)
    return values


def _note_single(special: _Special, name: bytes) -> None:
    """Content-Type or Authorization twice: which one holds would be the reader's choice, so nobody chooses."""
    bit = 1 if len(name) == len("content-type") else 2
    if special.singles & bit:
        raise ProtocolError(MALFORMED, "Content-Type or Authorization twice")
    special.singles |= bit


def _settle_host(head: RequestHead, hosts: list[bytes]) -> None:
    """Exactly one Host (RFC 9112 section 3.2); an absolute target overrides it (section 3.2.2)."""
    if len(hosts) > 1 or (not hosts and head.minor == 1):
        raise ProtocolError(MALFORMED, "not exactly one Host field")
    if hosts:
        _check_host(hosts[0])
        head.host = hosts[0]
    target = head.target
    if target.startswith(b"/"):
        return
    if target == b"*" and head.method == b"OPTIONS":
        return
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        raise ProtocolError(MALFORMED, "the target is neither a path nor an http URL")
    head.host, rest = absolute.groups()
    _check_host(head.host)
    head.target = rest if rest.startswith(b"/") else b"/" + rest


_hosts: set[bytes] = set()  # those that passed, at most 256, so that the usual ones cost one look-up


def _check_host(host: bytes) -> None:
    if host in _hosts:
        return
    if len(host) > 255 or _HOST.fullmatch(host) is None:
        raise ProtocolError(MALFORMED, "the Host field is not a host with an optional port")
    if len(_hosts) < 256:
        _hosts.add(host)


def _settle_length(head: RequestHead, special: _Special) -> int:
    """RFC 9112 section 6.3; whatever it calls an error or a tolerance is refused."""
    if special.codings:
        if special.lengths or len(special.codings) > 1 or head.minor == 0:
            raise ProtocolError(MALFORMED, "Transfer-Encoding twice, beside Content-Length, or in HTTP/1.0")
        coding = special.codings[0].lower()
        if coding != b"chunked":
            foreign = _CODINGS.fullmatch(coding) and coding.count(b"chunked") == 1
            raise ProtocolError(UNKNOWN_CODING if foreign else MALFORMED, "a transfer coding other than chunked")
        return UNTIL_CHUNKED
    if special.lengths and len(special.lengths) > 1:
        raise ProtocolError(MALFORMED, "Content-Length twice")
    return parse_content_length(special.lengths[0], MALFORMED) if special.lengths else NO_BODY


def _settle_connection(head: RequestHead, values: list[bytes]) -> bool:
    """Keep-alive, and fields that Connection names, which go no further (RFC 9110 section 7.6.1)."""
    options = connection_options(values, MALFORMED)
    if b"close" in options:
        head.keep_alive = False
    elif b"keep-alive" in options:
        head.keep_alive = True
    named = options - {b"close", b"keep-alive", b"upgrade"}
    for name in named:
        kind = REQUEST_FIELDS.kind(name, MALFORMED)
        if kind not in (PLAIN, DROP, SINGLE) or name == b"authorization":
            raise ProtocolError(MALFORMED, "Connection names a field that frames or identifies")
    if named:
        head.fields = without(head.fields, named)
    return b"upgrade" in options


def _settle_expectation(head: RequestHead, expect: list[bytes]) -> None:
    """RFC 9110 section 10.1.1; HTTP/1.0 knows no 1xx, so its expectation is ignored."""
    if len(expect) > 1:
        raise ProtocolError(MALFORMED, "Expect twice")
    if head.minor == 0:
        return
    if expect[0].lower() != b"100-continue":
        raise ProtocolError(UNKNOWN_EXPECTATION, "an expectation other than 100-continue")
    head.expect_continue = head.length != NO_BODY and head.length != 0


def _settle_upgrade(head: RequestHead, special: _Special, upgrading: bool) -> None:
    """WebSocket passes (RFC 6455 section 4.1); every other Upgrade, h2c first of all, is as if not said."""
    if special.upgrade and len(special.upgrade) > 1:
        raise ProtocolError(MALFORMED, "Upgrade twice")
    websocket = upgrading and special.upgrade and special.upgrade[0].lower() == b"websocket"
    if special.upgrade and head.length == UNTIL_CHUNKED:
        raise ProtocolError(MALFORMED, "Transfer-Encoding on a request to upgrade")
    if not websocket or head.method != b"GET" or head.minor == 0:
        head.websocket_key = b""
        return
    if head.length > 0 or special.version != b"13" or _WEBSOCKET_KEY.fullmatch(head.websocket_key) is None:
        raise ProtocolError(MALFORMED, "not a WebSocket handshake of version 13")
