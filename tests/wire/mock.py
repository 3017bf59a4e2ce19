"""A loop and transports without sockets: time is a number, and what uvloop would do later is done by `run`.

The transports behave as uvloop's do where the code under test can tell: data is never delivered inside a write,
nothing is delivered while reading is paused or after `close`, `close` waits for what is unsent, `abort` does not.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

Callback = Callable[..., object]


class Timer:
    """One call_later."""

    def __init__(self, callback: Callback) -> None:
        self.callback: Callback | None = callback

    def cancel(self) -> None:
        self.callback = None


class MockLoop:
    """Time that moves when told to."""

    def __init__(self) -> None:
        self.complaints: list[dict[str, Any]] = []
        self._now = 1000.0
        self._ready: deque[tuple[Callback, tuple[Any, ...]]] = deque()
        self._timers: list[tuple[float, int, Timer]] = []
        self._count = 0

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.complaints.append(context)

    def time(self) -> float:
        return self._now

    def call_soon(self, callback: Callback, *args: Any) -> None:
        self._ready.append((callback, args))

    def call_later(self, delay: float, callback: Callback) -> Timer:
        timer = Timer(callback)
        self._count += 1
        heapq.heappush(self._timers, (self._now + delay, self._count, timer))
        return timer

    def run(self) -> None:
        steps = 0
        while self._ready:
            callback, args = self._ready.popleft()
            callback(*args)
            steps += 1
            assert steps < 100_000, "the two sides keep each other busy for ever"

    def advance(self, seconds: float) -> None:
        end = self._now + seconds
        self.run()
        while self._timers and self._timers[0][0] <= end:
            self._now, _, timer = heapq.heappop(self._timers)
            if timer.callback is not None:
                timer.callback()
            self.run()
        self._now = end


class MockTransport:
    """One end of a connection, as a protocol of ours sees it; the test is the other end.

    `delivered` is what the far end has got; `window` how many bytes it will still take (None: any number).
    `on_data(bytes)` and `on_eof()` tell the far end, never inside the call that caused them.
    """

    def __init__(self, loop: MockLoop, protocol: Any, peer: str = "192.0.2.7", half_closes: bool = True) -> None:
        self.loop = loop
        self.protocol = protocol
        self.delivered = bytearray()
        self.window: int | None = None
        self.on_data: Callback | None = None
        self.on_eof: Callback | None = None
        self.unsent = bytearray()
        self.incoming: deque[bytes | None] = deque()  # None is the far end's EOF
        self.paused_reading = self.paused_writing = False
        self.far_finished = False
        self.eof_written = self.eof_delivered = False
        self.closing = self.aborted = self.lost = False
        self.late_writes = 0
        self._peer = peer
        self._half_closes = half_closes
        self._high, self._low = 65536, 16384
        protocol.connection_made(self)

    # What the protocol calls.

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return (self._peer, 50000) if name == "peername" else default

    def set_write_buffer_limits(self, high: int, low: int) -> None:
        self._high, self._low = high, low

    def get_write_buffer_size(self) -> int:
        return len(self.unsent)

    def is_closing(self) -> bool:
        return self.closing

    def can_write_eof(self) -> bool:
        return self._half_closes

    def write(self, data: bytes) -> None:
        assert type(data) is bytes
        assert not self.lost, "written after connection_lost"
        assert not self.eof_written, "written after write_eof"
        if self.closing:
            self.late_writes += bool(data)
            return
        self.unsent += data
        self._flush()
        if len(self.unsent) > self._high and not self.paused_writing:
            self.paused_writing = True
            self.protocol.pause_writing()

    def writelines(self, pieces: Iterable[bytes]) -> None:
        self.write(b"".join(pieces))

    def write_eof(self) -> None:
        assert self._half_closes
        assert not self.lost
        if not self.closing and not self.eof_written:
            self.eof_written = True
            self._flush()

    def pause_reading(self) -> None:
        assert not self.closing
        assert not self.paused_reading
        self.paused_reading = True

    def resume_reading(self) -> None:
        assert not self.closing
        assert self.paused_reading
        self.paused_reading = False
        self.loop.call_soon(self._deliver)

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            if not self.unsent:
                self.loop.call_soon(self._lose, None)

    def abort(self) -> None:
        if not self.lost and not self.aborted:
            self.closing = self.aborted = True
            self.unsent.clear()
            self.loop.call_soon(self._lose, None)

    # What the far end does.

    def feed(self, data: bytes) -> None:
        if not self.far_finished:
            self.incoming.append(data)
            self._deliver()

    def feed_eof(self) -> None:
        if not self.far_finished:
            self.far_finished = True
            self.incoming.append(None)
            self._deliver()

    def reset(self) -> None:
        """The far end is gone: RST."""
        if not self.lost and not self.closing:
            self.closing = True
            self.unsent.clear()
            self.loop.call_soon(self._lose, ConnectionResetError())

    def take(self, size: int | None = None) -> None:
        """The far end reads again: `size` more bytes, or everything from now on."""
        self.window = None if size is None else (self.window or 0) + size
        self._flush()

    @property
    def ended(self) -> bool:
        """Whether the far end can tell that nothing more will come."""
        return self.lost or self.eof_delivered

    def _deliver(self) -> None:
        while self.incoming and not self.paused_reading and not self.closing:
            data = self.incoming.popleft()
            if data is not None:
                self.protocol.data_received(data)
            elif not self.protocol.eof_received():
                self.close()

    def _flush(self) -> None:
        size = len(self.unsent) if self.window is None else min(self.window, len(self.unsent))
        if size:
            data = bytes(self.unsent[:size])
            del self.unsent[:size]
            self.delivered += data
            if self.window is not None:
                self.window -= size
            if self.on_data is not None:
                self.loop.call_soon(self.on_data, data)
        if self.paused_writing and len(self.unsent) <= self._low:
            self.paused_writing = False
            self.loop.call_soon(self._resume_writing)
        if not self.unsent:
            self._flushed()

    def _flushed(self) -> None:
        if self.eof_written and not self.eof_delivered:
            self.eof_delivered = True
            if self.on_eof is not None:
                self.loop.call_soon(self.on_eof)
        if self.closing:
            self.loop.call_soon(self._lose, None)

    def _resume_writing(self) -> None:
        if not self.lost:
            self.protocol.resume_writing()

    def _lose(self, exc: Exception | None) -> None:
        if not self.lost:
            self.lost = True
            self.protocol.connection_lost(exc)
