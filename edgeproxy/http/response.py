"""Response heads: what a worker says, parsed as hostile input, since workers are lent machines."""

from __future__ import annotations

import re

from edgeproxy.errors import BAD_RESPONSE, ProtocolError
from edgeproxy.http.bounds import USUAL, Bounds
from edgeproxy.http.fields import (
    CONNECTION,
    CONTENT_LENGTH,
    CORS,
    GUARDED,
    KEEP_ALIVE,
    LOAD,
    RESPONSE_FIELDS,
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
    without,
)
from edgeproxy.http.scan import Notes, scan_fields

_CR, _LF = 13, 10
_OK = b"OK"
_USUAL = b"HTTP/1.1 200 OK"

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?")
_KEEP_ALIVE_TIMEOUT = re.compile(rb"timeout[ \t]*=[ \t]*([0-9]{1,5})", re.IGNORECASE)


class ResponseHead(Notes):
    """A response as we understand it.

    `length` is the body's size in bytes, NO_BODY, UNTIL_CHUNKED or UNTIL_CLOSE. `fields` are the end-to-end field
    lines, each with its CRLF; `guarded` those that only a trusted upstream may send, `cors` those that the edge says
    itself where it has a policy for them. `idle_limit` is the worker's own keep-alive timeout in seconds, 0 where it
    names none; `load` is what it says of its load.
    """

    __slots__ = (
        "_codings",
        "_connection",
        "cors",
        "guarded",
        "idle_limit",
        "keep_alive",
        "length",
        "load",
        "minor",
        "reason",
        "status",
        "upgrade",
        "websocket_accept",
    )

    def __init__(self, status: int, reason: bytes, minor: int) -> None:
        self.fields = b""
        self.count = 0
        self.status = status
        self.reason = reason
        self.minor = minor
        self.length = UNTIL_CLOSE
        self.keep_alive = minor == 1
        self.idle_limit = 0
        self.upgrade = b""
        self.websocket_accept = b""
        self.guarded = b""
        self.cors = b""
        self.load = b""
        self._codings: list[bytes] | None = None
        self._connection: list[bytes] | None = None

    def note(self, kind: int, line: bytes, value: bytes) -> None:
        if kind == CONTENT_LENGTH:
            length = parse_content_length(value, BAD_RESPONSE)
            if self.length != UNTIL_CLOSE and self.length != length:
                raise ProtocolError(BAD_RESPONSE, "Content-Length twice, and different")
            self.length = length
        elif kind == GUARDED:
            self.guarded = self.guarded + line if self.guarded else line
        elif kind == CORS:
            self.cors = self.cors + line if self.cors else line
        elif kind == CONNECTION:
            self._connection = [*(self._connection or ()), value]
        elif kind == TRANSFER_ENCODING:
            self._codings = [*(self._codings or ()), value]
        elif kind == KEEP_ALIVE:
            timeout = _KEEP_ALIVE_TIMEOUT.search(value)
            self.idle_limit = int(timeout[1]) if timeout else 0
        elif kind == UPGRADE:
            self.upgrade = value
        elif kind == WEBSOCKET_ACCEPT:
            self.websocket_accept = value
        elif kind == LOAD:
            self.load = value


def parse_response(data: bytes, end: int, to_head: bool, bounds: Bounds = USUAL) -> ResponseHead:
    """Parse the head data[:end], which the empty line data[end:end + 4] closes; `to_head`: it answers a HEAD
    request, so no body follows."""
    at = _line_end(data)
    head = _parse_status_line(data, at)
    scan_fields(data, at + 2, end + 2, RESPONSE_FIELDS, BAD_RESPONSE, head)
    if head.count > 2 * bounds.fields:
        raise ProtocolError(BAD_RESPONSE, f"more than {2 * bounds.fields} fields")
    if head._connection:
        _settle_connection(head, head._connection)
    head.length = _settle_length(head, to_head)
    return head


def _line_end(data: bytes) -> int:
    """Where the first CR stands; there is one, since the head is whole."""
    seen = data
    at = 0
    while seen[at] != _CR:
        at += 1
    if seen[at + 1] != _LF:
        raise ProtocolError(BAD_RESPONSE, "a bare CR in the status line")
    return at


def _parse_status_line(data: bytes, end: int) -> ResponseHead:
    """`HTTP/1.x SP status SP [reason]`; the reason may be missing with its space, as some servers send it."""
    seen = data
    if end == 15 and _is_usual(data):
        return ResponseHead(200, _OK, 1)
    match = _STATUS_LINE.fullmatch(seen[:end])
    if match is None:
        raise ProtocolError(BAD_RESPONSE, "not a status line of HTTP/1.1 or HTTP/1.0")
    minor, status, reason = match.groups()
    return ResponseHead(int(status), reason or b"", 1 if minor == b"1" else 0)


def _is_usual(data: bytes) -> bool:
    """Whether it begins as nearly all answers do; the others are matched."""
    seen = data
    usual = _USUAL
    for index in range(15):  # noqa: SIM110  # as a loop it compiles to one
        if seen[index] != usual[index]:
            return False
    return True


def _settle_connection(head: ResponseHead, values: list[bytes]) -> None:
    options = connection_options(values, BAD_RESPONSE)
    if b"close" in options:
        head.keep_alive = False
    elif b"keep-alive" in options:
        head.keep_alive = True
    named = options - {b"close", b"keep-alive", b"upgrade"}
    if named:
        head.fields = without(head.fields, named)


def _settle_length(head: ResponseHead, to_head: bool) -> int:
    """RFC 9112 section 6.3. Where it lets us repair, the connection is not used again."""
    status = head.status
    if head._codings:
        _check_codings(head._codings)
    if status < 200 or status == 204 or status == 304 or to_head:
        if head.length != UNTIL_CLOSE and not head._codings and (to_head or status == 304):
            # What a GET would have sent: a fact about the resource here, not framing (RFC 9110 section 8.6).
            head.fields += b"Content-Length: %d\r\n" % head.length
        return NO_BODY
    if not head._codings:
        return head.length
    if head.length != UNTIL_CLOSE or head.minor == 0:
        head.keep_alive = False
    return UNTIL_CHUNKED


def _check_codings(values: list[bytes]) -> None:
    """Also of answers without a body: what is no coding there was not written by a server of HTTP."""
    codings = b",".join(values).lower().split(b",")
    if [coding.strip(b" \t") for coding in codings] != [b"chunked"]:
        raise ProtocolError(BAD_RESPONSE, "a transfer coding other than chunked")
