"""Readers of event streams: each event whole, in its turn, and how long it was on the way.

They run in the backend's own process: the core that both share then goes from sending to reading and back in one loop.
As two processes they would wait for each other's turn, for milliseconds that say nothing of a proxy.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import quantiles
from time import monotonic_ns
from typing import cast

from bench.backend.events import EVENT_BYTES, FILLER
from bench.closed_loop import WrongAnswer
from bench.measure import Meter, read_memory

OPEN_S = 20.0  # for all streams to have their first event
AT_ONCE = 50  # streams that are being opened: a burst that no backlog drops
MAX_HEAD = 64 * 1024  # bytes
SETTLE_S = 0.5
DIRECT = 0.1
"""Streams that go past the proxy at the same time, as a share of those through it: what load and backend add."""

REQUEST = b"GET /events HTTP/1.1\r\nHost: edge.example\r\nAccept: text/event-stream\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Watch:
    """What to read: `streams` through the proxy at `port` whose process tree is `pid`, for `seconds`."""

    port: int
    pid: int
    streams: int
    seconds: int


async def watch(wanted: Watch, own_port: int) -> dict[str, float]:
    """Delays in milliseconds beside those of streams without a proxy; the proxy's CPU seconds; its memory with all
    streams open; what others took of its core. Raises WrongAnswer, ProcessEnded, OSError or TimeoutError."""
    async with (
        reading(wanted.streams, wanted.port) as through,
        reading(round(wanted.streams * DIRECT), own_port) as direct,
    ):
        await asyncio.sleep(SETTLE_S)
        meter = Meter(wanted.pid)
        through.begin()
        direct.begin()
        await asyncio.sleep(wanted.seconds)
        proxied, plain = (_percentiles_ms(readers.end()) for readers in (through, direct))
        usage = meter.read()
        return {
            "events": len(through.delays_ns),
            "cpu_s": usage.total_s,
            "others": usage.others,
            "memory": read_memory(wanted.pid),
            "p50_ms": proxied[49],
            "p99_ms": proxied[98],
            "direct_p50_ms": plain[49],
            "direct_p99_ms": plain[98],
        }


def _percentiles_ms(delays_ns: list[int]) -> list[float]:
    return [delay / 1e6 for delay in quantiles(delays_ns, n=100)]


class Readers:
    """What the streams share: the delays of their events in ns between `begin` and `end`."""

    def __init__(self) -> None:
        self.delays_ns: list[int] = []
        self.error: WrongAnswer | None = None

    def begin(self) -> None:
        self.delays_ns = []

    def end(self) -> list[int]:
        if self.error:
            raise self.error
        if len(self.delays_ns) < 100:
            raise WrongAnswer(f"{len(self.delays_ns)} events arrived, which says nothing of their delay")
        return self.delays_ns


class StreamReader(asyncio.Protocol):
    """One stream. A chunk may be cut or joined on its way, so the chunked coding is read, not assumed."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self._received = b""
        self._events = b""
        self._next = 0
        self._in_body = False
        self._closed = False
        self.first = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        now = monotonic_ns()
        self._received += data
        try:
            if not self._in_body:
                self._read_head()
            if self._in_body:
                self._read_chunks()
                self._read_events(now)
        except ValueError as error:
            self._fail(str(error))

    def _read_head(self) -> None:
        head, found, rest = self._received.partition(b"\r\n\r\n")
        if not found and len(head) < MAX_HEAD:
            return
        if not head.startswith(b"HTTP/1.1 200 ") or b"transfer-encoding: chunked" not in head.lower():
            raise ValueError(f"the stream began with {head[:200]!r}")
        self._in_body, self._received = True, rest

    def _read_chunks(self) -> None:
        while (line_end := self._received.find(b"\r\n")) >= 0:
            size = int(self._received[:line_end].partition(b";")[0], 16)
            start = line_end + 2
            if len(self._received) < start + size + 2:
                return
            if not size:
                raise ValueError("the stream ended")
            self._events += self._received[start : start + size]
            self._received = self._received[start + size + 2 :]

    def _read_events(self, now: int) -> None:
        while len(self._events) >= EVENT_BYTES:
            event, self._events = self._events[:EVENT_BYTES], self._events[EVENT_BYTES:]
            if event[26:] != b" %08d %s\n\n" % (self._next, FILLER):
                raise ValueError(f"event {self._next} was {event!r}")
            self._next += 1
            self._readers.delays_ns.append(now - int(event[6:26]))
        if self._next and not self.first.done():
            self.first.set_result(None)

    def close(self) -> None:
        self._closed = True
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closed:
            self._fail(f"stream closed by the peer ({exc or 'end of file'})")

    def _fail(self, why: str) -> None:
        self.close()
        error = WrongAnswer(why)
        self._readers.error = self._readers.error or error
        if not self.first.done():
            self.first.set_exception(error)


@asynccontextmanager
async def reading(streams: int, port: int) -> AsyncIterator[Readers]:
    """That many streams, each with its first event. Raises WrongAnswer, OSError or TimeoutError."""
    readers = Readers()
    opened: list[StreamReader] = []
    try:
        async with asyncio.timeout(OPEN_S):
            while len(opened) < streams:
                batch = [_open(readers, port) for _ in range(min(AT_ONCE, streams - len(opened)))]
                opened += (fresh := await asyncio.gather(*batch))
                await asyncio.gather(*(reader.first for reader in fresh))
        yield readers
    finally:
        for reader in opened:
            reader.close()
        await asyncio.sleep(0.1)  # so that the peer has seen them go before the next round


async def _open(readers: Readers, port: int) -> StreamReader:
    loop = asyncio.get_running_loop()
    _, reader = await loop.create_connection(lambda: StreamReader(readers), "127.0.0.1", port)
    return reader
