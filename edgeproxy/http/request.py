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
from edgeproxy.http.bounds import USUAL, Bounds
from edgeproxy.http.fields import (
    API_KEY,
    ASKED_FIELDS,
    ASKED_METHOD,
    AUTHORIZATION,
    CONNECTION,
    CONTENT_LENGTH,
    DROP,
    EXPECT,
    FORWARDED,
    HOST,
    LOOP,
    ORIGIN,
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
from edgeproxy.http.scan import Notes, scan_fields, scan_request_line

_MAX_METHOD = 32

_CR, _LF, _SLASH, _ZERO = 13, 10, 47, 48
_HTTP_1 = b"HTTP/1."
GET = b"GET"  # one object for all, whose hash is known
_USUAL_CONNECTION = {b"keep-alive": True, b"Keep-Alive": True, b"close": False}
_REFUSED_METHODS = frozenset({b"CONNECT", b"TRACE"})

_VERSION = re.compile(rb"HTTP/[0-9]\.[0-9]")
_HOST = re.compile(rb"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_ABSOLUTE = re.compile(rb"https?://([^/?]*)(.*)", re.IGNORECASE | re.DOTALL)
_WEBSOCKET_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")
_CODINGS = re.compile(rb"[a-z-]+(?:[ \t]*,[ \t]*[a-z-]+)*[ \t]*,[ \t]*chunked")

IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"})
"""Methods whose repetition changes nothing (RFC 9110 section 9.2.2); TRACE is never served."""


class RequestHead(Notes):
    """A request as we understand it; nothing of it is forwarded but what is named here.

    `length` is the body's size in bytes, NO_BODY or UNTIL_CHUNKED. `fields` are the end-to-end field lines, each
    with its CRLF, but for `credentials`, the lines in which the client says who it is; `authorization` and `api_key`
    are their values. `loop` are the values of CDN-Loop and Via, `asked_method` and `asked_fields` those of a CORS
    preflight. `forwarded` are (name, value) of fields in which an earlier proxy speaks of the client. What
    begins with an underscore are fields that must all be seen before the head can be judged.
    """

    __slots__ = (
        "_codings",
        "_connection",
        "_expect",
        "_hosts",
        "_key",
        "_length",
        "_lengths",
        "_singles",
        "_upgrade",
        "_version",
        "_whole",
        "api_key",
        "asked_fields",
        "asked_method",
        "authorization",
        "credentials",
        "expect_continue",
        "forwarded",
        "host",
        "keep_alive",
        "length",
        "loop",
        "method",
        "minor",
        "origin",
        "request_id",
        "target",
        "websocket_key",
    )

    def __init__(self, method: bytes, target: bytes, minor: int) -> None:
        self.fields = b""
        self.count = 0
        self.method = method
        self.target = target
        self.minor = minor
        self.host = b""
        self.length = NO_BODY
        self.keep_alive = minor == 1
        self.expect_continue = False
        self.websocket_key = b""
        self.request_id = b""
        self.forwarded: list[tuple[bytes, bytes]] | None = None
        self.credentials = b""
        self.authorization = b""
        self.api_key = b""
        self.origin = b""
        self.asked_method = b""
        self.asked_fields = b""
        self.loop = b""
        self._hosts = 0
        self._length = b""
        self._lengths = 0
        self._codings: list[bytes] | None = None
        self._connection: list[bytes] | None = None
        self._upgrade: list[bytes] | None = None
        self._expect: list[bytes] | None = None
        self._key = b""
        self._version = b""
        self._singles = 0
        self._whole: list[bytes] | None = None  # noted lines that go on all the same

    def note(self, kind: int, line: bytes, value: bytes) -> None:
        if kind == HOST:
            self.host = value
            self._hosts += 1
        elif kind == CONTENT_LENGTH:
            self._length = value
            self._lengths += 1
        elif kind == CONNECTION:
            self._connection = _and(self._connection, value)
        elif kind == SINGLE:
            self._note_single(1)
            self._whole = _and(self._whole, line)
        elif kind == AUTHORIZATION:
            self._note_single(2)
            self.credentials += line
            self.authorization = value
        elif kind == API_KEY:
            self._note_single(4)
            self.credentials += line
            self.api_key = value
        elif kind == REQUEST_ID:
            self.request_id = value
        else:
            self._note_rare(kind, line, value)

    def _note_rare(self, kind: int, line: bytes, value: bytes) -> None:
        if kind == TRANSFER_ENCODING:
            self._codings = _and(self._codings, value)
        elif kind == FORWARDED:
            self.forwarded = [*(self.forwarded or ()), (line.partition(b":")[0], value)]
        elif kind == UPGRADE:
            self._upgrade = _and(self._upgrade, value)
        elif kind == EXPECT:
            self._expect = _and(self._expect, value)
        elif kind == WEBSOCKET_KEY:
            self._key = value
            self._whole = _and(self._whole, line)
        elif kind == WEBSOCKET_VERSION:
            self._version = value
            self._whole = _and(self._whole, line)
        else:
            self._note_asking(kind, value)
            self._whole = _and(self._whole, line)

    def _note_asking(self, kind: int, value: bytes) -> None:
        if kind == ORIGIN:
            self._note_single(8)
            self.origin = value
        elif kind == ASKED_METHOD:
            self.asked_method = value
        elif kind == ASKED_FIELDS:
            self.asked_fields = value
        elif kind == LOOP:
            self.loop = self.loop + b", " + value if self.loop else value

    def _note_single(self, bit: int) -> None:
        """Twice, and which one holds would be the reader's choice: so nobody chooses."""
        if self._singles & bit:
            raise ProtocolError(MALFORMED, "Content-Type, Authorization, X-API-Key or Origin twice")
        self._singles |= bit


def parse_request(data: bytes, end: int, bounds: Bounds = USUAL) -> RequestHead:
    """Parse the head data[:end], which the empty line data[end:end + 4] closes."""
    method_end, target_end = scan_request_line(data)
    head = _parse_request_line(data, method_end, target_end, bounds.target)
    scan_fields(data, target_end + 11, end + 2, REQUEST_FIELDS, MALFORMED, head)
    if head.count > bounds.fields:
        raise ProtocolError(HEAD_TOO_LARGE, f"more than {bounds.fields} fields")
    if head._whole is not None:
        head.fields += b"".join(head._whole)
    _judge(head)
    return head


def _parse_request_line(data: bytes, method_end: int, target_end: int, longest: int) -> RequestHead:
    """The head so far; its fields begin behind `SP HTTP/1.x CRLF`, 11 bytes behind the target."""
    seen = data
    if not _is_ours(data, target_end + 1):
        raise _not_our_version(data[target_end + 1 :].partition(b"\r\n")[0])
    if method_end > _MAX_METHOD:
        raise ProtocolError(MALFORMED, "the method is too long")
    if target_end - method_end > longest:
        raise ProtocolError(URI_TOO_LONG, f"the target is longer than {longest} bytes")
    method = GET if method_end == 3 and seen[0] == 71 and seen[1] == 69 and seen[2] == 84 else seen[:method_end]
    if method is not GET and method in _REFUSED_METHODS:
        raise ProtocolError(METHOD_REFUSED, "CONNECT and TRACE are not served")
    return RequestHead(method, seen[method_end + 1 : target_end], seen[target_end + 8] - _ZERO)


def _is_ours(data: bytes, at: int) -> bool:
    """Whether `HTTP/1.1` or `HTTP/1.0` and the end of the line stand there."""
    seen = data
    prefix = _HTTP_1
    for index in range(7):
        if seen[at + index] != prefix[index]:
            return False
    minor = seen[at + 7]
    return (minor == _ZERO or minor == _ZERO + 1) and seen[at + 8] == _CR and seen[at + 9] == _LF


def _not_our_version(version: bytes) -> ProtocolError:
    other_major = _VERSION.fullmatch(version) and not version.startswith(b"HTTP/1")
    return ProtocolError(UNKNOWN_VERSION if other_major else MALFORMED, "not HTTP/1.1 or HTTP/1.0")


def _judge(head: RequestHead) -> None:
    _settle_host(head)
    if head._lengths or head._codings:
        head.length = _settle_length(head)
    upgrading = _settle_connection(head, head._connection) if head._connection else False
    if head._expect:
        _settle_expectation(head, head._expect)
    if head._upgrade:
        _settle_upgrade(head, head._upgrade, upgrading)


def _and(values: list[bytes] | None, value: bytes) -> list[bytes]:
    if values is None:
        return [value]
    values.append(value)
    return values


def _settle_host(head: RequestHead) -> None:
    """Exactly one Host (RFC 9112 section 3.2); an absolute target overrides it (section 3.2.2)."""
    if head._hosts > 1 or (head._hosts == 0 and head.minor == 1):
        raise ProtocolError(MALFORMED, "not exactly one Host field")
    if head._hosts:
        _check_host(head.host)
    if head.target[0] != _SLASH:
        _settle_target(head)


def _settle_target(head: RequestHead) -> None:
    """A target that is no path (RFC 9112 sections 3.2.2 to 3.2.4)."""
    target = head.target
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


def _settle_length(head: RequestHead) -> int:
    """RFC 9112 section 6.3; whatever it calls an error or a tolerance is refused."""
    if head._codings:
        if head._lengths or len(head._codings) > 1 or head.minor == 0:
            raise ProtocolError(MALFORMED, "Transfer-Encoding twice, beside Content-Length, or in HTTP/1.0")
        coding = head._codings[0].lower()
        if coding != b"chunked":
            foreign = _CODINGS.fullmatch(coding) and coding.count(b"chunked") == 1
            raise ProtocolError(UNKNOWN_CODING if foreign else MALFORMED, "a transfer coding other than chunked")
        return UNTIL_CHUNKED
    if head._lengths > 1:
        raise ProtocolError(MALFORMED, "Content-Length twice")
    return parse_content_length(head._length, MALFORMED) if head._lengths else NO_BODY


def _settle_connection(head: RequestHead, values: list[bytes]) -> bool:
    """Keep-alive, and fields that Connection names, which go no further (RFC 9110 section 7.6.1)."""
    usual = _USUAL_CONNECTION.get(values[0]) if len(values) == 1 else None
    if usual is not None:
        head.keep_alive = usual
        return False
    options = connection_options(values, MALFORMED)
    if b"close" in options:
        head.keep_alive = False
    elif b"keep-alive" in options:
        head.keep_alive = True
    named = options - {b"close", b"keep-alive", b"upgrade"}
    for name in named:
        kind = REQUEST_FIELDS.kind(name, MALFORMED)
        if kind not in (PLAIN, DROP, SINGLE):
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


def _settle_upgrade(head: RequestHead, upgrade: list[bytes], upgrading: bool) -> None:
    """WebSocket passes (RFC 6455 section 4.1); every other Upgrade, h2c first of all, is as if not said."""
    if len(upgrade) > 1:
        raise ProtocolError(MALFORMED, "Upgrade twice")
    if head.length == UNTIL_CHUNKED:
        raise ProtocolError(MALFORMED, "Transfer-Encoding on a request to upgrade")
    if not upgrading or upgrade[0].lower() != b"websocket" or head.method != b"GET" or head.minor == 0:
        return
    if head.length > 0 or head._version != b"13" or _WEBSOCKET_KEY.fullmatch(head._key) is None:
        raise ProtocolError(MALFORMED, "not a WebSocket handshake of version 13")
    head.websocket_key = head._key
