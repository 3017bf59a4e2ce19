"""How long each wait may take, in seconds, and how much each buffer may hold, in bytes."""

from __future__ import annotations

from edgeproxy.http.bounds import Bounds

MAX_INTERIM = 8
"""1xx answers a worker may send before its final one."""
FRESH_ENOUGH = 1.0
"""Seconds a connection may have been idle to carry a request that must not be sent twice."""


class Limits:
    """What an operator may change: sizes in bytes, times in seconds.

    `bounds`: what is within a head or a chunked body. `head_bytes`, `answer_head_bytes`: a whole head. `body_bytes`:
    a request body. `buffer`: unsent bytes of one direction beyond which its source is not read (a quarter of it lets
    it be read again), requests that wait behind one that is being answered, and what is still read of a client that
    was refused.

    `handshake`: from a connection's beginning to the end of its TLS handshake. `head`: from a request's first byte
    to the end of its head. `body_idle`: between two pieces of a request body. `body_rate`: bytes a second that any
    body of known length must make on the whole, and that a peer must read of what waits for it, after `rate_grace`
    seconds. `keep_alive`: between two requests of a connection. `keep_alive_requests` and `client_lifetime`: after so
    many, or so long, the next request is the connection's last. `linger`: for one that was refused to read why.
    `write_idle`: for a peer to read some of what waits for it.

    `connect`: for a worker to accept, three times that with TLS. `first_byte`: from the end of the request to the head
    of the answer, however often it is asked for.
    `stream_idle`: between two pieces of an answer. `tunnel_idle`: a WebSocket on which neither side speaks.
    `upstream_idle`, `upstream_lifetime`: how long a worker's connection may rest, and may be used; `upstream_resting`
    of them rest for one worker at most.
    """

    __slots__ = (
        "answer_head_bytes",
        "body_bytes",
        "body_idle",
        "body_rate",
        "bounds",
        "buffer",
        "client_lifetime",
        "connect",
        "first_byte",
        "handshake",
        "head",
        "head_bytes",
        "keep_alive",
        "keep_alive_requests",
        "linger",
        "rate_grace",
        "stream_idle",
        "tunnel_idle",
        "upstream_idle",
        "upstream_lifetime",
        "upstream_resting",
        "write_idle",
    )

    def __init__(
        self,
        *,
        bounds: Bounds | None = None,
        head_bytes: int = 16 * 1024,
        answer_head_bytes: int = 64 * 1024,
        body_bytes: int = 100 * 1024 * 1024,
        buffer: int = 64 * 1024,
        handshake: float = 10.0,
        head: float = 10.0,
        body_idle: float = 30.0,
        body_rate: float = 240.0,
        rate_grace: float = 10.0,
        keep_alive: float = 75.0,
        keep_alive_requests: int = 1000,
        client_lifetime: float = 3600.0,
        linger: float = 2.0,
        write_idle: float = 60.0,
        connect: float = 1.0,
        first_byte: float = 120.0,
        stream_idle: float = 60.0,
        tunnel_idle: float = 3600.0,
        upstream_idle: float = 4.0,
        upstream_lifetime: float = 600.0,
        upstream_resting: int = 1024,
    ) -> None:
        self.bounds = bounds or Bounds()
        self.head_bytes = head_bytes
        self.answer_head_bytes = answer_head_bytes
        self.body_bytes = body_bytes
        self.buffer = buffer
        self.handshake = handshake
        self.head = head
        self.body_idle = body_idle
        self.body_rate = body_rate
        self.rate_grace = rate_grace
        self.keep_alive = keep_alive
        self.keep_alive_requests = keep_alive_requests
        self.client_lifetime = client_lifetime
        self.linger = linger
        self.write_idle = write_idle
        self.connect = connect
        self.first_byte = first_byte
        self.stream_idle = stream_idle
        self.tunnel_idle = tunnel_idle
        self.upstream_idle = upstream_idle
        self.upstream_lifetime = upstream_lifetime
        self.upstream_resting = upstream_resting
