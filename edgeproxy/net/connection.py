"""What both sides of the edge have in common: a transport, its flow control, two deadlines."""

from __future__ import annotations

import fcntl
import termios
from array import array
from typing import Any

from edgeproxy.clock import FOREVER
from edgeproxy.net.bulk import Bulk
from edgeproxy.net.edge import Edge
from edgeproxy.net.limits import HIGH_WATER, LINGER_SECONDS, LOW_WATER
from edgeproxy.proxy.exchange import Peer


class Connection(Peer):
    """One TCP or TLS connection.

    `read_deadline`: until when the peer must have said something; `write_deadline`: until when it must have
    read something of what waits for it.
    """

    __slots__ = (
        "bulk",
        "closing",
        "edge",
        "read_deadline",
        "reading",
        "transport",
        "writable",
        "write_deadline",
    )

    def __init__(self, edge: Edge) -> None:
        Peer.__init__(self)
        self.edge = edge
        self.transport: Any = None  # asyncio.Transport; Any, since every write goes through it
        self.bulk: Bulk | None = None  # moves what arrives here past us
        self.closing = False  # nothing that still arrives is understood
        self.reading = True
        self.writable = True
        self.read_deadline = FOREVER
        self.write_deadline = FOREVER

    def attach(self, transport: Any) -> None:
        self.transport = transport
        self.write = transport.write
        transport.set_write_buffer_limits(HIGH_WATER, LOW_WATER)

    def pause_reading(self) -> None:
        if self.reading and not self.transport.is_closing():
            self.reading = False
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if not self.reading and self.bulk is None and not self.transport.is_closing():
            self.reading = True
            self.transport.resume_reading()

    def note_unwritable(self) -> None:
        self.writable = False
        self.write_deadline = self.edge.clock.now + self.edge.limits.write_idle

    def note_writable(self) -> None:
        self.writable = True
        self.write_deadline = self.edge.clock.now + self.edge.limits.write_idle if self.closing else FOREVER

    def begin_bulk(self, sink: Connection, left: int) -> None:
        """Let the next `left` bytes that arrive go to the sink's socket by themselves."""
        Connection.pause_reading(self)
        self.bulk = Bulk(self.edge.loop, self.transport, sink.transport, left, self)

    def end_bulk(self) -> None:
        if self.bulk is not None:
            self.bulk.stop()
            self.bulk = None

    def bulk_moved(self, count: int) -> None:
        """See `Mover`."""

    def bulk_waits_for_sink(self, waits: bool) -> None:
        """See `Mover`."""

    def bulk_ended(self, outcome: int) -> None:
        """See `Mover`."""

    def close(self) -> None:
        """Close once what waits has been sent, or the peer has had its time to read it."""
        if not self.closing:
            self.closing = True
            self.read_deadline = FOREVER
            self.write_deadline = self.edge.clock.now + self.edge.limits.write_idle
            if not self.transport.can_write_eof():  # TLS
                self.read_deadline = self.write_deadline
                self.write_deadline = self.edge.clock.now + LINGER_SECONDS
            self.transport.close()

    def closing_due(self, now: float) -> None:
        """A TLS connection does not end by itself when all is sent: it waits for the peer's close_notify (RFC 8446
        section 6.1), and so much longer than the peer needs to read our last bytes we do not wait."""
        if now < self.read_deadline < FOREVER and self._unacknowledged():
            self.write_deadline = now + LINGER_SECONDS
        else:
            self.transport.abort()

    def _unacknowledged(self) -> bool:
        """Whether something of ours has not reached the peer's machine."""
        sock = self.transport.get_extra_info("socket")
        if self.transport.get_write_buffer_size() or sock is None:
            return sock is not None
        waiting = array("i", [0])
        fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, waiting)
        return bool(waiting[0])

    def abort(self) -> None:
        self.transport.abort()
