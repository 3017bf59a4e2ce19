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
    TEXT_BYTES,
    TOKEN_BYTES,
    TRANSFER_ENCODING,
    UPGRADE,
    WEBSOCKET_KEY,
    WEBSOCKET_VERSION,
)
from edgeproxy.http.framing import NO_BODY, UNTIL_CHUNKED, connection_options, parse_content_length

MAX_FIELDS = 100
MAX_TARGET = 8192
_MAX_METHOD = 32

_LINE_BYTES = TEXT_BYTES + b"\r\n"
_TARGET_BYTES = bytes(byte for byte in range(0x21, 0x7F) if byte != 0x23)  # no controls, space, "#", obs-text
_VERSIONS = {b"HTTP/1.1": 1, b"HTTP/1.0": 0}
_VERSION = re.compile(rb"HTTP/[0-9]\.[0-9]")
_HOST = re.compile(rb"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_ABSOLUTE = re.compile(rb"https?://([^/?]*)(.*)", re.IGNORECASE | re.DOTALL)
_WEBSOCKET_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")
_CODINGS = re.compile(rb"[a-z]+(?:[ \t]*,[ \t]*[a-z]+)*[ \t]*,[ \t]*chunked")

IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"})
"""Methods whose repetition changes nothing (RFC 9110 section 9.2.2); TRACE is never served."""


class RequestHead:
    """A request as we understand it; nothing of it is forwarded but what is named here.

    `length` is the body's size in bytes, NO_BODY or UNTIL_CHUNKED. `fields` are the end-to-end field lines,
    without CRLF. `forwarded` are lines in which an earlier proxy speaks of the client.
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
        self.fields: list[bytes] = []
        self.forwarded: list[bytes] = []


class _Specials:
    """What must be seen of a whole head before it can be judged: fields that frame, route or upgrade."""

    __slots__ = ("codings", "connection", "expect", "hosts", "lengths", "singles", "upgrade", "version")

    def __init__(self) -> None:
        self.hosts: list[bytes] = []
        self.lengths: list[bytes] = []
        self.codings: list[bytes] = []
        self.connection: list[bytes] = []
        self.upgrade: list[bytes] = []
        self.expect: list[bytes] = []
        self.version = b""
        self.singles: list[bytes] = []


def parse_request(block: bytes) -> RequestHead:
    """Parse a head without its closing empty line: `b"GET / HTTP/1.1\\r\\nHost: a"`."""
    lines = block.split(b"\r\n")
    _check_bytes(block, len(lines))
    head = _parse_request_line(lines[0])
    if len(lines) - 1 > MAX_FIELDS:
        raise ProtocolError(HEAD_TOO_LARGE, "more than 100 fields")
    specials = _Specials()
    known = REQUEST_FIELDS.known
    fields = head.fields
    for index in range(1, len(lines)):
        name, colon, value = lines[index].partition(b":")
        kind = known.get(name)
        if kind is None:
            kind = REQUEST_FIELDS.classify(name)
        if not colon:
            raise ProtocolError(MALFORMED, "a field line has no colon")
        value = value.strip(b" \t")
        if kind == PLAIN:
            fields.append(name + b": " + value)
        elif kind != DROP:
            _note(head, specials, kind, name, value)
    _judge(head, specials)
    return head


def _check_bytes(block: bytes, lines: int) -> None:
    """No control bytes anywhere, and every CR and LF part of a CRLF that ends a line (RFC 9112 section 2.2)."""
    if block.translate(None, _LINE_BYTES):
        raise ProtocolError(MALFORMED, "a control byte in the head")
    if block.count(b"\r") != lines - 1 or block.count(b"\n") != lines - 1:
        raise ProtocolError(MALFORMED, "a bare CR or LF in the head")


def _parse_request_line(line: bytes) -> RequestHead:
    parts = line.split(b" ")
    if len(parts) != 3:
        raise ProtocolError(MALFORMED, "the request line is not method, target and version")
    method, target, version = parts
    minor = _VERSIONS.get(version)
    if minor is None:
        known_form = _VERSION.fullmatch(version) and not version.startswith(b"HTTP/1")
        raise ProtocolError(UNKNOWN_VERSION if known_form else MALFORMED, "not HTTP/1.1 or HTTP/1.0")
    if not method or len(method) > _MAX_METHOD or method.translate(None, TOKEN_BYTES):
        raise ProtocolError(MALFORMED, "the method is not a token")
    if len(target) > MAX_TARGET:
        raise ProtocolError(URI_TOO_LONG, "the target is longer than 8 KiB")
    if not target or target.translate(None, _TARGET_BYTES):
        raise ProtocolError(MALFORMED, "the target holds a byte that no URI has")
    if method in (b"CONNECT", b"TRACE"):
        raise ProtocolError(METHOD_REFUSED, "CONNECT and TRACE are not served")
    return RequestHead(method, target, minor)


def _note(head: RequestHead, specials: _Specials, kind: int, name: bytes, value: bytes) -> None:
    if kind == HOST:
        specials.hosts.append(value)
    elif kind == SINGLE:
        specials.singles.append(name.lower())
        head.fields.append(name + b": " + value)
    elif kind == CONTENT_LENGTH:
        specials.lengths.append(value)
    elif kind == CONNECTION:
        specials.connection.append(value)
    elif kind == TRANSFER_ENCODING:
        specials.codings.append(value)
    elif kind == FORWARDED:
        head.forwarded.append(name + b": " + value)
    elif kind == REQUEST_ID:
        head.request_id = value
    elif kind == UPGRADE:
        specials.upgrade.append(value)
    elif kind == EXPECT:
        specials.expect.append(value)
    elif kind == WEBSOCKET_KEY:
        head.websocket_key = value
        head.fields.append(name + b": " + value)
    elif kind == WEBSOCKET_VERSION:
        specials.version = value
        head.fields.append(name + b": " + value)


def _judge(head: RequestHead, specials: _Specials) -> None:
    _settle_host(head, specials.hosts)
    if specials.lengths or specials.codings:
        head.length = _settle_length(head, specials)
    upgrading = _settle_connection(head, specials) if specials.connection else False
    if len(specials.singles) > 1 and len(set(specials.singles)) != len(specials.singles):
        raise ProtocolError(MALFORMED, "Content-Type or Authorization twice")
    if specials.expect:
        _settle_expectation(head, specials.expect)
    if specials.upgrade or head.websocket_key:
        _settle_upgrade(head, specials, upgrading)


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


def _settle_length(head: RequestHead, specials: _Specials) -> int:
    """RFC 9112 section 6.3; whatever it calls an error or a tolerance is refused."""
    if specials.codings:
        if specials.lengths or len(specials.codings) > 1 or head.minor == 0:
            raise ProtocolError(MALFORMED, "Transfer-Encoding twice, beside Content-Length, or in HTTP/1.0")
        coding = specials.codings[0].lower()
        if coding != b"chunked":
            foreign = _CODINGS.fullmatch(coding) and coding.count(b"chunked") == 1
            raise ProtocolError(UNKNOWN_CODING if foreign else MALFORMED, "a transfer coding other than chunked")
        return UNTIL_CHUNKED
    if len(specials.lengths) > 1:
        raise ProtocolError(MALFORMED, "Content-Length twice")
    return parse_content_length(specials.lengths[0], MALFORMED)


def _settle_connection(head: RequestHead, specials: _Specials) -> bool:
    """Keep-alive, and fields that Connection names, which go no further (RFC 9110 section 7.6.1)."""
    options = connection_options(specials.connection, MALFORMED)
    if b"close" in options:
        head.keep_alive = False
    elif b"keep-alive" in options:
        head.keep_alive = True
    named = options - {b"close", b"keep-alive", b"upgrade"}
    for name in named:
        kind = REQUEST_FIELDS.known.get(name, PLAIN)
        if kind not in (PLAIN, DROP, SINGLE) or name == b"authorization":
            raise ProtocolError(MALFORMED, "Connection names a field that frames or identifies")
    if named:
        head.fields = [line for line in head.fields if line.partition(b":")[0].lower() not in named]
    return b"upgrade" in options


def _settle_expectation(head: RequestHead, expect: list[bytes]) -> None:
    """RFC 9110 section 10.1.1; HTTP/1.0 knows no 1xx, so its expectation is ignored."""
    if len(expect) > 1:
        raise ProtocolError(MALFORMED, "Expect twice")
    if expect[0].lower() != b"100-continue":
        raise ProtocolError(UNKNOWN_EXPECTATION, "an expectation other than 100-continue")
    head.expect_continue = head.minor == 1 and head.length != NO_BODY and head.length != 0


def _settle_upgrade(head: RequestHead, specials: _Specials, upgrading: bool) -> None:
    """WebSocket passes (RFC 6455 section 4.1); every other Upgrade, h2c first of all, is as if not said."""
    if len(specials.upgrade) > 1:
        raise ProtocolError(MALFORMED, "Upgrade twice")
    websocket = upgrading and specials.upgrade and specials.upgrade[0].lower() == b"websocket"
    if specials.upgrade and head.length == UNTIL_CHUNKED:
        raise ProtocolError(MALFORMED, "Transfer-Encoding on a request to upgrade")
    if not websocket or head.method != b"GET" or head.minor == 0:
        head.websocket_key = b""
        return
    if head.length > 0 or specials.version != b"13" or _WEBSOCKET_KEY.fullmatch(head.websocket_key) is None:
        raise ProtocolError(MALFORMED, "not a WebSocket handshake of version 13")
