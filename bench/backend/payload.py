"""The bodies that travel, and the answers that carry them."""

from __future__ import annotations

from functools import lru_cache

_PERIOD = bytes(range(251))  # a prime, so that a block that is lost or repeated shifts all that follows
HEAD = b"HTTP/1.1 %s\r\nServer: backend\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
STORED = b"Cache-Control: public, max-age=1000000000\r\n"
"""Longer than it is since our date, which never changes: any cache may keep it."""
_TYPE = b"Content-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n"
REFUSAL = HEAD % b"400 Bad Request" + b"Connection: close\r\nContent-Length: 0\r\n\r\n"


@lru_cache(maxsize=8)
def payload(size: int) -> bytes:
    """The only body there is: `size` bytes whose values depend on their position."""
    return (_PERIOD * (size // len(_PERIOD) + 1))[:size]


def ok(body: bytes, fields: bytes = b"") -> bytes:
    return HEAD % b"200 OK" + fields + _TYPE % len(body) + body
