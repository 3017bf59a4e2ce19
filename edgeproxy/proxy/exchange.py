"""One request and its answer: everything known about it, from its head to its last byte, in one object."""

from __future__ import annotations

from typing import Protocol

from edgeproxy.errors import Fault
from edgeproxy.http.request import IDEMPOTENT, RequestHead
from edgeproxy.policy.worker import Worker
from edgeproxy.proxy.table import Table

MAX_KEPT = 1024 * 1024
"""Bytes of a request body that are kept for another attempt; a larger one cannot be sent again."""

# How payload is framed on its way to the client.
RAW = 0
CHUNKED = 1
TUNNEL = 2
UNTIL_END = 3  # for HTTP/1.0: the end of the connection is the end of the body


class Client(Protocol):
    """The downstream connection, as far as an exchange sees it."""

    address: str
    forwarded: bytes
    """Field lines with CRLF that say who the client is."""
    trusted: bool
    """Whether the peer's own word about the client is believed."""

    def write(self, data: bytes) -> None: ...

    def answer(self, exchange: Exchange, fault: Fault, detail: str = "") -> None:
        """End the exchange with an error of the edge's own; only while nothing was forwarded."""

    def finish(self, exchange: Exchange) -> None:
        """The answer is complete."""

    def break_off(self, exchange: Exchange, fault: Fault) -> None:
        """The answer has begun and cannot be completed: end the connection so that the client can tell."""

    def switched(self) -> None:
        """Both connections are a tunnel from here on."""

    def write_eof(self) -> bool:
        """The worker has finished its side of a tunnel; False where the client cannot be told so."""

    def resume_body(self) -> None:
        """The upstream takes more of the request body."""

    def pause_body(self) -> None: ...


class Upstream(Protocol):
    """A connection to a worker, as far as an exchange sees it."""

    reused: bool

    def begin(self, exchange: Exchange) -> None:
        """Send the head, and what has come of the body."""

    def send(self, payload: bytes) -> None:
        """Send a piece of the body; the exchange's `request_done` says whether it was the last."""

    def tunnel(self, data: bytes) -> None:
        """Pass on bytes of a tunnel as they are."""

    def end(self) -> None:
        """The client has finished its side of a tunnel; where both have, it is over."""

    def cancel(self) -> None:
        """Nobody waits for the answer any more: end the connection now."""

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Exchange:
    """State of one request, grouped by what it belongs to."""

    __slots__ = (
        "answered_by",
        "bytes_in",
        "bytes_out",
        "client",
        "close",
        "exclusive",
        "failovers",
        "fault",
        "finished",
        "framing",
        "head",
        "idempotent",
        "kept",
        "kept_bytes",
        "path",
        "raced",
        "request_done",
        "request_id",
        "responding",
        "route",
        "started",
        "status",
        "tried",
        "unsent",
        "upstream",
        "worker",
    )

    def __init__(self, client: Client, head: RequestHead, table: Table, request_id: bytes, started: float) -> None:
        # request
        self.client = client
        self.head = head
        self.request_id = request_id
        self.started = started
        query = head.target.find(b"?")
        self.path = head.target if query < 0 else head.target[:query]
        route = self.route = table.match(self.path)
        self.idempotent = head.method in IDEMPOTENT or (
            head.method == b"POST" and self.path[route.strip :] in route.idempotent
        )
        self.request_done = True
        self.exclusive = False  # its connections are not used again
        self.bytes_in = 0
        self.unsent: list[bytes] = []  # payload that waits for a connection
        self.kept: list[bytes] | None = []  # all payload so far, while it can be sent again
        self.kept_bytes = 0
        # attempts
        self.worker: Worker | None = None
        self.upstream: Upstream | None = None
        self.tried: list[Worker] = []
        self.failovers = 0
        self.raced = False
        # response
        self.answered_by = ""
        self.responding = False
        self.status = 0
        self.framing = RAW
        self.bytes_out = 0
        # One who wants to switch may already speak the other protocol: if it cannot, nobody knows what follows.
        self.close = not head.keep_alive or bool(head.websocket_key)
        self.fault: Fault | None = None
        self.finished = False

    def take(self, payload: bytes) -> None:
        """A piece of the request body has arrived: send it, or hold it until there is a connection."""
        self.bytes_in += len(payload)
        if self.kept is not None:
            self.kept_bytes += len(payload)
            if self.kept_bytes > MAX_KEPT or (not self.idempotent and self.upstream is not None):
                self.kept = None
            else:
                self.kept.append(payload)
        if self.upstream is None:
            self.unsent.append(payload)
        else:
            self.upstream.send(payload)

    @property
    def replayable(self) -> bool:
        return self.kept is not None

    def rewind(self) -> None:
        """Make ready to send the whole request again; only while it is replayable."""
        self.unsent = list(self.kept or ())
