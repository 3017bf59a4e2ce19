"""Event streams at a fixed rate, whatever becomes of them: each event says when it was sent.

An event is one chunk of 160 bytes, about a token of a language model:
`data: {20 digits: CLOCK_MONOTONIC in ns} {8 digits: which of this stream} {filler}`.
"""

from __future__ import annotations

import asyncio
import random
from time import monotonic_ns
from typing import Protocol

from bench.backend.payload import HEAD

PER_SECOND = 20
SLOTS = 50
"""Moments of a period at which events leave; a stream has one of them for good, by chance."""
SLOT_S = 1 / PER_SECOND / SLOTS

EVENT_BYTES = 160
FILLER = b"x" * (EVENT_BYTES - len(b"data: ") - 20 - 1 - 8 - 1 - 2)
_CHUNK = b"%x\r\ndata: %%020d %%08d %s\n\n\r\n" % (EVENT_BYTES, FILLER)
STREAM_HEAD = (
    HEAD % b"200 OK"
    + b"Content-Type: text/event-stream\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"
)


def chunk(number: int) -> bytes:
    """The event with this number, stamped now."""
    return _CHUNK % (monotonic_ns(), number)


class Sink(Protocol):
    def write(self, data: bytes) -> object: ...


class Ticker:
    """Sends every stream its events: late ones are made up for, so that the rate holds whatever happens."""

    def __init__(self) -> None:
        self._slots: list[dict[Sink, int]] = [{} for _ in range(SLOTS)]
        self._chance = random.Random(20)
        self._streams = 0
        self._tick = 0
        self._origin = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, sink: Sink) -> int:
        """Its first event leaves at once; the slot, which `remove` wants back."""
        slot = self._chance.randrange(SLOTS)
        sink.write(STREAM_HEAD + chunk(0))
        self._slots[slot][sink] = 1
        self._streams += 1
        if self._timer is None:
            self._origin, self._tick = asyncio.get_running_loop().time(), 0
            self._wait()
        return slot

    def remove(self, sink: Sink, slot: int) -> None:
        del self._slots[slot][sink]
        self._streams -= 1
        if not self._streams and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_at(self._origin + self._tick * SLOT_S, self._send_due)

    def _send_due(self) -> None:
        due = int((asyncio.get_running_loop().time() - self._origin) / SLOT_S)
        while self._tick <= due:
            self._send(self._slots[self._tick % SLOTS])
            self._tick += 1
        self._wait()

    def _send(self, streams: dict[Sink, int]) -> None:
        for sink, number in streams.items():
            sink.write(chunk(number))
            streams[sink] = number + 1
