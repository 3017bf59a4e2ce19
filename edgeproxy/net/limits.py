"""How long each wait may take, in seconds, and how much each buffer may hold, in bytes."""

from __future__ import annotations

from dataclasses import dataclass

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
FRESH_ENOUGH = 1.0
"""Seconds a connection may have been idle to carry a request that must not be sent twice."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an operator may change."""

    head_bytes: int = 16 * 1024
    body_bytes: int = 100 * 1024 * 1024
    handshake: float = 10.0
    """From a connection's beginning to the end of its TLS handshake."""
    head: float = 10.0
    """From a request's first byte to the end of its head."""
    body_idle: float = 30.0
    """Between two pieces of a request body."""
    keep_alive: float = 75.0
    """Between two requests of a connection."""
    write_idle: float = 60.0
    """A peer that reads nothing of what waits for it."""
    connect: float = 3.0
    first_byte: float = 120.0
    """From the end of the request to the head of the answer."""
    stream_idle: float = 60.0
    """Between two pieces of an answer."""
    tunnel_idle: float = 3600.0
    """A WebSocket on which neither side speaks."""
