"""Where a message's body ends, whichever way its head says (RFC 9112 section 6.3)."""

from __future__ import annotations

from edgeproxy.errors import Fault
from edgeproxy.http.bounds import USUAL, Bounds
from edgeproxy.http.chunked import ChunkedReader
from edgeproxy.http.framing import UNTIL_CHUNKED, UNTIL_CLOSE


class BodyReader:
    """Takes what follows a head and gives payload; `done` once the body is complete.

    A body UNTIL_CLOSE is never done by itself: the end of the connection ends it.
    """

    __slots__ = ("_chunked", "_left", "done")

    def __init__(self, length: int, fault: Fault, bounds: Bounds = USUAL) -> None:
        self._chunked = ChunkedReader(fault, bounds) if length == UNTIL_CHUNKED else None
        self._left = length
        self.done = length == 0 or (length not in (UNTIL_CHUNKED, UNTIL_CLOSE) and length < 0)

    @property
    def ends_with_connection(self) -> bool:
        return self._left == UNTIL_CLOSE

    @property
    def left(self) -> int:
        """Bytes that are still to come, -1 where that is not known."""
        return self._left if self._chunked is None and self._left >= 0 else -1

    def skip(self, count: int) -> None:
        """So many bytes of a body of known length have passed by without being seen here."""
        self._left -= count
        self.done = self._left == 0

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """(payload, rest): `rest` is what follows the body, not empty only when `done`."""
        if self._chunked is not None:
            payload, rest = self._chunked.feed(data)
            self.done = self._chunked.done
            return payload, rest
        if self._left == UNTIL_CLOSE:
            return data, b""
        if self.done:
            return b"", data
        left = self._left
        if len(data) < left:
            self._left = left - len(data)
            return data, b""
        self._left = 0
        self.done = True
        if len(data) == left:
            return data, b""
        return data[:left], data[left:]
