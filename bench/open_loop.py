"""The load at a fixed rate: requests are due at moments of their own, whatever became of those before.

A closed loop waits for a slow server, asks it less often while it is slow, and so leaves out the very waits that users
would have had (coordinated omission). Here a request's latency counts from the moment at which it was *due*, whether a
connection was free then or not, and goes into an HDR histogram: 1 us to 60 s, three significant digits.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import monotonic  # uvloop's own clock counts in milliseconds
from typing import Literal

from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]

from bench.closed_loop import CONNECT_S, DRAIN_S, Connection, WrongAnswer

LOWEST_US, HIGHEST_US, DIGITS = 1, 60_000_000, 3
SHARES = (50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99, 100.0)
"""Percentiles that are kept of a histogram."""
TICK_S = 0.001

Arrivals = Literal["even", "random"]


def histogram() -> HdrHistogram:
    return HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)


def percentiles_ms(found: HdrHistogram) -> dict[str, float]:
    return {f"p{share:g}": found.get_value_at_percentile(share) / 1000 for share in SHARES}


@dataclass(slots=True)
class Latencies:
    """`latency` from the moment at which a request was due, `service` from that at which it was sent; `late`: how
    long after its moment the generator itself came round to it, which is its own fault and nobody's latency."""

    latency: HdrHistogram = field(default_factory=histogram)
    service: HdrHistogram = field(default_factory=histogram)
    late: HdrHistogram = field(default_factory=histogram)
    requests: int = 0


class OpenLoop:
    """`rate` requests a second over at most `most` connections, made as they are needed."""

    def __init__(self, request: bytes, answer: bytes, rate: float, most: int, port: int) -> None:
        self.request = request
        self.answer = answer
        self.found = Latencies()
        self._rate, self._most, self._port = rate, most, port
        self._tls: ssl.SSLContext | None = None
        self._loop = asyncio.get_running_loop()
        self._idle: list[_Timed] = []
        self._all: set[_Timed] = set()
        self._waiting: deque[float] = deque()
        self._dialling: set[asyncio.Task[None]] = set()
        self._error: WrongAnswer | None = None
        self._open = 0
        self._ended = False
        self._done = asyncio.Event()

    async def run(self, seconds: float, arrivals: Arrivals = "even", seed: int = 1) -> Latencies:
        """All requests that are due in that time, each with its answer. Raises WrongAnswer."""
        due = _moments(self._rate, seconds, arrivals, seed)
        self._tick(monotonic(), due, next(due, None))
        try:
            async with asyncio.timeout(seconds + DRAIN_S):
                await self._done.wait()
        except TimeoutError:
            self.failed(f"{self._open} answers were still missing {DRAIN_S:g} s after the end")
        if self._error:
            raise self._error
        return self.found

    def begin_anew(self) -> None:
        """The same connections, and nothing measured so far."""
        self.found = Latencies()
        self._ended = False
        self._done.clear()

    def close(self) -> None:
        for task in self._dialling:
            task.cancel()
        for connection in self._all:
            connection.close()

    def _tick(self, start: float, due: Iterator[float], moment: float | None) -> None:
        """Sends what is due, and comes again a millisecond later."""
        now = monotonic() - start
        while moment is not None and moment <= now:
            self._open += 1
            self.found.late.record_value(_us(now - moment))
            self._begin(start + moment)
            moment = next(due, None)
        if moment is None:
            self._ended = True
            self._finish_when_answered()
        elif self._error is None:
            self._loop.call_later(max(moment - now, TICK_S), self._tick, start, due, moment)

    def _begin(self, due: float) -> None:
        if self._idle:
            self._idle.pop().ask(due)
            return
        self._waiting.append(due)
        if len(self._all) + len(self._dialling) < self._most:
            task = self._loop.create_task(self._dial())
            self._dialling.add(task)
            task.add_done_callback(self._dialling.discard)

    async def _dial(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_S):
                _, connection = await self._loop.create_connection(lambda: _Timed(self), "127.0.0.1", self._port)
        except OSError as error:
            self.failed(f"no connection: {error!r}")
            return
        self._all.add(connection)
        self.free(connection)

    def free(self, connection: _Timed) -> None:
        if self._waiting:
            connection.ask(self._waiting.popleft())
        else:
            self._idle.append(connection)

    def answered(self, due: float, sent: float) -> None:
        now = monotonic()
        self.found.requests += 1
        self.found.latency.record_value(_us(now - due))
        self.found.service.record_value(_us(now - sent))
        self._open -= 1
        self._finish_when_answered()

    def lost(self, connection: _Timed) -> None:
        """It has ended, as its last answer said, or while it was idle."""
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if self._waiting:
            self._begin(self._waiting.popleft())

    def failed(self, why: str) -> None:
        self._error = self._error or WrongAnswer(why)
        self._done.set()

    def _finish_when_answered(self) -> None:
        if self._ended and not self._open:
            self._done.set()


class _Timed(Connection):
    """A connection whose next request may be asked at any moment."""

    def __init__(self, loop: OpenLoop) -> None:
        super().__init__(loop)
        self._owner = loop
        self._due = self._sent = 0.0

    def ask(self, due: float) -> None:
        self._due, self._sent = due, monotonic()
        self.send()

    def _answered(self) -> None:
        self.rest()
        self._owner.answered(self._due, self._sent)
        if self._last:
            self.close()
            self._owner.lost(self)
        else:
            self._owner.free(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.idle:
            self._owner.lost(self)
        else:
            super().connection_lost(exc)


def _moments(rate: float, seconds: float, arrivals: Arrivals, seed: int) -> Iterator[float]:
    """Seconds from the start: evenly spaced, or as independent users come (Poisson)."""
    chance = random.Random(seed)
    moment = 0.0
    while moment < seconds:
        yield moment
        moment += 1 / rate if arrivals == "even" else chance.expovariate(rate)


def _us(seconds: float) -> int:
    return min(HIGHEST_US, max(LOWEST_US, round(seconds * 1e6)))
