"""What both sides of the edge have in common: a transport, its flow control, two deadlines."""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
from array import array
from typing import Any

from edgeproxy.clock import FOREVER
from edgeproxy.net.bulk import Bulk
from edgeproxy.net.edge import Edge
from edgeproxy.proxy.exchange import Peer

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time


class Connection(Peer):
    """One TCP or TLS connection.

    `read_deadline`: until when the peer must have said something; `write_deadline`: until when it must have
    read enough of the `unread` bytes that waited for it. A body of known length is paced: `paced_from` is when the
    peer was last let speak, and `paced_bytes` what had come by then.
    """

    __slots__ = (
        "bulk",
        "closing",
        "edge",
        "paced_bytes",
        "paced_from",
        "read_deadline",
        "reading",
        "transport",
        "unread",
        "watched",
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
        self.unread = 0
        self.paced_from = 0.0
        self.paced_bytes = 0
        self.watched = -1  # see `net/departures.py`

    def attach(self, transport: Any) -> None:
        self.transport = transport
        self.write = transport.write
        transport.set_write_buffer_limits(self.edge.limits.buffer, self.edge.limits.buffer // 4)

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
        self.await_reader()

    def note_writable(self) -> None:
        self.writable = True
        self.write_deadline = self.edge.clock.now + self.edge.limits.write_idle if self.closing else FOREVER

    def await_reader(self) -> None:
        """From now on the peer is to read of what waits for it."""
        self.write_deadline = self.edge.clock.now + self.edge.limits.write_idle
        self.unread = self._unread()

    def reads_on(self, now: float) -> bool:
        """When `write_deadline` has passed: whether the peer has read all that waited, or made the rate, and then
        it has as long again. What it has read is what its machine has acknowledged: our buffer moves in steps that
        a slow reader needs minutes for."""
        unread = self._unread()
        limits = self.edge.limits
        if unread >= self.unread or self.unread - unread < min(self.unread, limits.body_rate * limits.write_idle):
            return False
        self.unread = unread
        self.write_deadline = now + limits.write_idle
        return True

    def begin_pace(self, received: int) -> None:
        self.paced_from = self.edge.clock.now
        self.paced_bytes = received

    def paced(self, now: float, idle: float, received: int) -> float:
        """When more of a body must be there: within `idle` seconds, and on the whole no slower than the rate."""
        limits = self.edge.limits
        due = self.paced_from + limits.rate_grace + (received - self.paced_bytes) / limits.body_rate
        return min(now + idle, due)

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

    def departed(self) -> None:
        """See `Leaver`."""

    def close(self) -> None:
        """Close once what waits has been sent, or the peer has had its time to read it."""
        if not self.closing:
            self.closing = True
            self.read_deadline = FOREVER
            self.await_reader()
            if not self.transport.can_write_eof():  # TLS
                self.read_deadline = self.write_deadline
                self.write_deadline = self.edge.clock.now + self.edge.limits.linger
            self.transport.close()

    def closing_due(self, now: float) -> None:
        """A TLS connection does not end by itself when all is sent: it waits for the peer's close_notify (RFC 8446
        section 6.1), and so much longer than the peer needs to read our last bytes we do not wait."""
        if now < self.read_deadline < FOREVER and self._unread():
            self.write_deadline = now + self.edge.limits.linger
        elif not self._unread():
            self.transport.abort()
        elif self.read_deadline < FOREVER or not self.reads_on(now):
            self.abort()

    def _unread(self) -> int:
        """Bytes of ours that have not reached the peer's machine."""
        waiting = array("i", [0])
        sock = self.transport.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:
            fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, waiting)
        return waiting[0] + int(self.transport.get_write_buffer_size())

    def abort(self) -> None:
        """End now, by a reset: the peer can tell that this is no proper end, and the kernel does not go on holding
        what a peer that does not read has not read."""
        sock = self.transport.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.transport.abort()
