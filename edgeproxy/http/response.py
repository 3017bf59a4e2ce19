"""Response heads: what a worker says, parsed as hostile input, since workers are lent machines."""

from __future__ import annotations

import re

from edgeproxy.errors import BAD_RESPONSE, ProtocolError
from edgeproxy.http.fields import (
    CONNECTION,
    CONTENT_LENGTH,
    DROP,
    GUARDED,
    KEEP_ALIVE,
    PLAIN,
    RESPONSE_FIELDS,
    TEXT_BYTES,
    TRANSFER_ENCODING,
    UPGRADE,
    WEBSOCKET_ACCEPT,
)
from edgeproxy.http.framing import (
    NO_BODY,
    UNTIL_CHUNKED,
    UNTIL_CLOSE,
    connection_options,
    parse_content_length,
)

MAX_FIELDS = 200

_LINE_BYTES = TEXT_BYTES + b"\r\n"
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: (.*))?", re.DOTALL)
_KEEP_ALIVE_TIMEOUT = re.compile(rb"timeout[ \t]*=[ \t]*([0-9]{1,5})", re.IGNORECASE)


class ResponseHead:
    """A response as we understand it.

    `length` is the body's size in bytes, NO_BODY, UNTIL_CHUNKED or UNTIL_CLOSE. `fields` are the end-to-end
    field lines without CRLF; `guarded` those that only a trusted upstream may send. `idle_limit` is the
    worker's own keep-alive timeout in seconds, 0 where it names none.
    """

    __slots__ = (
        "fields",
        "guarded",
        "idle_limit",
        "keep_alive",
        "length",
        "minor",
        "reason",
        "status",
        "upgrade",
        "websocket_accept",
    )

    def __init__(self, status: int, reason: bytes, minor: int) -> None:
        self.status = status
        self.reason = reason
        self.minor = minor
        self.length = UNTIL_CLOSE
        self.keep_alive = minor == 1
        self.idle_limit = 0
        self.upgrade = b""
        self.websocket_accept = b""
        self.fields: list[bytes] = []
        self.guarded: list[bytes] = []


class _Specials:
    __slots__ = ("codings", "connection", "lengths")

    def __init__(self) -> None:
        self.lengths: list[bytes] = []
        self.codings: list[bytes] = []
        self.connection: list[bytes] = []


def parse_response(block: bytes, to_head: bool) -> ResponseHead:
    """Parse a head without its closing empty line; `to_head`: it answers a HEAD request, so no body follows."""
    lines = block.split(b"\r\n")
    _check_bytes(block, len(lines))
    head = _parse_status_line(lines[0])
    specials = _Specials()
    known = RESPONSE_FIELDS.known
    fields = head.fields
    for index in range(1, len(lines)):
        name, colon, value = lines[index].partition(b":")
        kind = known.get(name)
        if kind is None:
            kind = RESPONSE_FIELDS.classify(name, BAD_RESPONSE)
        if not colon:
            raise ProtocolError(BAD_RESPONSE, "a field line has no colon")
        value = value.strip(b" \t")
        if kind == PLAIN:
            fields.append(name + b": " + value)
        elif kind != DROP:
            _note(head, specials, kind, name, value)
    if specials.connection:
        _settle_connection(head, specials.connection)
    head.length = _settle_length(head, specials, to_head)
    return head


def _check_bytes(block: bytes, lines: int) -> None:
    if block.translate(None, _LINE_BYTES):
        raise ProtocolError(BAD_RESPONSE, "a control byte in the head")
    if block.count(b"\r") != lines - 1 or block.count(b"\n") != lines - 1:
        raise ProtocolError(BAD_RESPONSE, "a bare CR or LF in the head")
    if lines - 1 > MAX_FIELDS:
        raise ProtocolError(BAD_RESPONSE, "more than 200 fields")


def _parse_status_line(line: bytes) -> ResponseHead:
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise ProtocolError(BAD_RESPONSE, "not a status line of HTTP/1.1 or HTTP/1.0")
    minor, status, reason = match.groups()
    return ResponseHead(int(status), reason or b"", 1 if minor == b"1" else 0)


def _note(head: ResponseHead, specials: _Specials, kind: int, name: bytes, value: bytes) -> None:
    if kind == CONTENT_LENGTH:
        specials.lengths.append(value)
    elif kind == TRANSFER_ENCODING:
        specials.codings.append(value)
    elif kind == CONNECTION:
        specials.connection.append(value)
    elif kind == GUARDED:
        head.guarded.append(name + b": " + value)
    elif kind == KEEP_ALIVE:
        timeout = _KEEP_ALIVE_TIMEOUT.search(value)
        head.idle_limit = int(timeout[1]) if timeout else 0
    elif kind == UPGRADE:
        head.upgrade = value
    elif kind == WEBSOCKET_ACCEPT:
        head.websocket_accept = value


def _settle_connection(head: ResponseHead, values: list[bytes]) -> None:
    options = connection_options(values, BAD_RESPONSE)
    if b"close" in options:
        head.keep_alive = False
    elif b"keep-alive" in options:
        head.keep_alive = True
    named = options - {b"close", b"keep-alive", b"upgrade"}
    if named:
        head.fields = [line for line in head.fields if line.partition(b":")[0].lower() not in named]


def _settle_length(head: ResponseHead, specials: _Specials, to_head: bool) -> int:
    """RFC 9112 section 6.3. Where it lets us repair, the connection is not used again."""
    lengths = specials.lengths
    if len(set(lengths)) > 1:
        raise ProtocolError(BAD_RESPONSE, "Content-Length twice, and different")
    length = parse_content_length(lengths[0], BAD_RESPONSE) if lengths else UNTIL_CLOSE
    status = head.status
    if status < 200 or status in (204, 304) or to_head:
        if to_head or status == 304:
            _keep_stated_length(head, lengths, specials.codings)
        return NO_BODY
    if not specials.codings:
        return length
    if lengths or head.minor == 0:
        head.keep_alive = False
    codings = b",".join(specials.codings).lower().split(b",")
    if [coding.strip(b" \t") for coding in codings] == [b"chunked"]:
        return UNTIL_CHUNKED
    raise ProtocolError(BAD_RESPONSE, "a transfer coding other than chunked")


def _keep_stated_length(head: ResponseHead, lengths: list[bytes], codings: list[bytes]) -> None:
    """What a GET would have sent: a fact about the resource here, not framing (RFC 9110 section 8.6)."""
    if lengths and not codings:
        head.fields.append(b"Content-Length: " + lengths[0])
