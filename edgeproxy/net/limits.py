"""How long each wait may take, in seconds, and how much each buffer may hold, in bytes."""

from __future__ import annotations

HIGH_WATER = 64 * 1024
"""Unsent bytes of one direction beyond which its source is not read."""
LOW_WATER = 16 * 1024
MAX_RESPONSE_HEAD = 64 * 1024
MAX_PIPELINED = 64 * 1024
MAX_INTERIM = 8
"""1xx answers a worker may send before its final one."""
LINGER_SECONDS = 2.0
LINGER_BYTES = 64 * 1024
"""What is still read, and thrown away, of a client that was refused, so that it can read why."""
MAX_IDLE_PER_WORKER = 64
RATE_GRACE = 10.0
"""Seconds before a body's rate is looked at."""
FRESH_ENOUGH = 1.0
"""Seconds a connection may have been idle to carry a request that must not be sent twice."""


class Limits:
    """What an operator may change: sizes in bytes, times in seconds.

    `handshake`: from a connection's beginning to the end of its TLS handshake. `head`: from a request's first byte
    to the end of its head. `body_idle`: between two pieces of a request body. `body_rate`: bytes a second that a
    request body must make on the whole. `keep_alive`: between two requests of a connection. `write_idle`: for a
    peer to read some of what waits for it. `connect`: for a worker to accept. `first_byte`: from the end of the
    request to the head of the answer. `stream_idle`: between two pieces of an answer. `tunnel_idle`: a WebSocket on
    which neither side speaks.
    """

    __slots__ = (
        "body_bytes",
        "body_idle",
        "body_rate",
        "connect",
        "first_byte",
        "handshake",
        "head",
        "head_bytes",
        "keep_alive",
        "stream_idle",
        "tunnel_idle",
        "write_idle",
    )

    def __init__(
        self,
        *,
        head_bytes: int = 16 * 1024,
        body_bytes: int = 100 * 1024 * 1024,
        handshake: float = 10.0,
        head: float = 10.0,
        body_idle: float = 30.0,
        body_rate: float = 240.0,
        keep_alive: float = 75.0,
        write_idle: float = 60.0,
        connect: float = 3.0,
        first_byte: float = 120.0,
        stream_idle: float = 60.0,
        tunnel_idle: float = 3600.0,
    ) -> None:
        self.head_bytes = head_bytes
        self.body_bytes = body_bytes
        self.handshake = handshake
        self.head = head
        self.body_idle = body_idle
        self.body_rate = body_rate
        self.keep_alive = keep_alive
        self.write_idle = write_idle
        self.connect = connect
        self.first_byte = first_byte
        self.stream_idle = stream_idle
        self.tunnel_idle = tunnel_idle
