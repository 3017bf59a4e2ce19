"""The chunked transfer coding (RFC 9112 section 7.1): strict in, minimal out.

Extensions are checked and dropped, trailers checked and dropped: both have carried attacks, and no client of ours
reads them.
"""

from __future__ import annotations

import re

from edgeproxy.errors import Fault, ProtocolError
from edgeproxy.http.bounds import USUAL, Bounds
from edgeproxy.http.fields import PLAIN, REQUEST_FIELDS, TEXT_BYTES, TOKEN_BYTES

LAST_CHUNK = b"0\r\n\r\n"

_MAX_SIZE = 1 << 62

_TOKEN = rb"[" + re.escape(TOKEN_BYTES) + rb"]+"
# Neither "[" nor a bare backslash: each byte can be read in one way only, or a refusal would take time without end.
_QUOTED = rb'"(?:[\t\x20-\x21\x23-\x5a\x5d-\x7e]|\\[\t\x20-\x5a\x5c-\x7e])*"'
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})((?:;" + _TOKEN + rb"(?:=(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?)*)")

# Where the reader stands.
_SIZE = 0
_DATA = 1
_DATA_END = 2
_TRAILERS = 3
_DONE = 4


def chunk(data: bytes) -> bytes:
    """`data` as one chunk; `data` must not be empty, since an empty chunk is the last one."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def _plain_size(line: bytes) -> int:
    """The usual line: one to eight hexadecimal digits and nothing else; -1 for any other."""
    if not 0 < len(line) <= 8:
        return -1
    size = 0
    for at in range(len(line)):
        byte = line[at]
        if 0x30 <= byte <= 0x39:
            value = byte - 0x30
        elif 0x41 <= byte <= 0x46:
            value = byte - 0x37
        elif 0x61 <= byte <= 0x66:
            value = byte - 0x57
        else:
            return -1
        size = size * 16 + value
    return size


class ChunkedReader:
    """Takes a chunked body in pieces of any size and gives its payload.

    `done` is true once the last chunk and the trailer section have been read. `fault` is what to raise: a
    request's bad framing is the client's fault, a response's the worker's.
    """

    __slots__ = ("_bounds", "_fault", "_held", "_left", "_state", "_trailer_bytes", "_trailers", "done")

    def __init__(self, fault: Fault, bounds: Bounds = USUAL) -> None:
        self._bounds = bounds
        self._fault = fault
        self._state = _SIZE
        self._left = 0
        self._held = b""  # the beginning of a line whose end has not arrived
        self._trailers = 0
        self._trailer_bytes = 0
        self.done = False

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """(payload, rest): `rest` is what follows the body and is not empty only when `done`."""
        if self._held:
            data = self._held + data
            self._held = b""
        payload: list[bytes] = []
        at = 0
        size = len(data)
        while at < size and not self.done:
            if self._state == _DATA:
                end = min(size, at + self._left)
                payload.append(data[at:end])
                self._left -= end - at
                at = end
                if self._left == 0:
                    self._state = _DATA_END
            elif self._state == _DATA_END:
                if size - at < 2 and data[at:] == b"\r":
                    break
                if data[at : at + 2] != b"\r\n":
                    raise ProtocolError(self._fault, "a chunk's data does not end with CRLF")
                at += 2
                self._state = _SIZE
            else:
                end = self._line_end(data, at)
                if end < 0:
                    break
                self._take_line(data[at:end])
                at = end + 2
        rest = data[at:]
        if not self.done:
            self._held, rest = rest, b""
        return (payload[0] if len(payload) == 1 else b"".join(payload)), rest

    def _line_end(self, data: bytes, at: int) -> int:
        """Where the line's CRLF stands, or -1 while it has not arrived; every line is bounded."""
        limit = self._bounds.trailer_bytes if self._state == _TRAILERS else self._bounds.extension + 16
        end = data.find(b"\n", at, at + limit + 2)
        if end < 0:
            if len(data) - at > limit + 1:  # the line may be whole but for its LF
                raise ProtocolError(self._fault, "a line of the chunked coding is too long")
            return -1
        if end == at or data[end - 1] != 0x0D:
            raise ProtocolError(self._fault, "a bare LF in the chunked coding")
        return end - 1

    def _take_line(self, line: bytes) -> None:
        if self._state == _SIZE:
            self._take_size(line)
        elif line:
            self._check_trailer(line)
        else:
            self._state = _DONE
            self.done = True

    def _take_size(self, line: bytes) -> None:
        size = _plain_size(line)
        if size < 0:
            size = self._odd_size(line)
        self._left = size
        self._state = _DATA if size else _TRAILERS

    def _odd_size(self, line: bytes) -> int:
        """Of a line that is long, or has extensions, or is none."""
        match = _SIZE_LINE.fullmatch(line)
        if match is None or len(match[2]) > self._bounds.extension:
            raise ProtocolError(self._fault, "not a chunk size")
        size = int(match[1], 16)
        if size > _MAX_SIZE:
            raise ProtocolError(self._fault, "a chunk size out of range")
        return size

    def _check_trailer(self, line: bytes) -> None:
        self._trailers += 1
        self._trailer_bytes += len(line)
        if self._trailers > self._bounds.trailers or self._trailer_bytes > self._bounds.trailer_bytes:
            raise ProtocolError(self._fault, "too many trailers")
        name, colon, value = line.partition(b":")
        kind = REQUEST_FIELDS.kind(name, self._fault)
        if not colon or value.translate(None, TEXT_BYTES):
            raise ProtocolError(self._fault, "not a trailer field")
        if kind != PLAIN or name.lower().startswith(b"content-"):
            raise ProtocolError(self._fault, "a trailer that frames, routes or identifies")
