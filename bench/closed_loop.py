"""The load: a closed loop of keep-alive connections, cheap, that believes nothing it is told.

Every answer must have status 200, the expected Content-Length and its body byte for byte;
anything else fails the run, because a wrong proxy must not look fast. `Load.run` begins and ends with every
connection idle, so that what a reading of CPU around it is divided by is exact.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol, cast

MAX_HEAD = 64 * 1024  # bytes
CONNECT_S = 5.0
DRAIN_S = 30.0  # what the answers in flight may take after the time is up

_IDLE, _HEAD = -2, -1  # states of a connection; from 0 on it is the count of body bytes


class WrongAnswer(Exception):
    """The peer answered something else than the backend did, or nothing, or went away."""


@dataclass(frozen=True, slots=True)
class Count:
    """`reconnects`: connections that the peer closed behind an answer, as it said in it, and that were made anew."""

    requests: int
    elapsed_s: float
    reconnects: int = 0


class Load:
    """What the connections of one peer share. Made by `connected`."""

    def __init__(self, request: bytes, answer: bytes) -> None:
        self.request = request
        self.answer = answer
        self.stopping = True
        self.answered = 0
        self._reconnects = 0
        self._reconnecting: set[asyncio.Task[None]] = set()
        self._connections: list[_Looping] = []
        self._busy = 0
        self._error: WrongAnswer | None = None
        self._done = asyncio.Event()

    async def open(self, connections: int, port: int, tls: ssl.SSLContext | None) -> None:
        self._port, self._tls = port, tls
        async with asyncio.timeout(CONNECT_S):
            for _ in range(connections):
                self._connections.append(await self._connect())

    async def _connect(self) -> _Looping:
        loop = asyncio.get_running_loop()
        make = functools.partial(_Looping, self)
        _, connection = await loop.create_connection(make, "127.0.0.1", self._port, ssl=self._tls)
        return connection

    async def run(self, seconds: float, drain_s: float = DRAIN_S) -> Count:
        """Keep every connection busy for that long, then wait for the last answers. Raises WrongAnswer."""
        self._start()
        started = perf_counter()
        timer = asyncio.get_running_loop().call_later(seconds, self._stop)
        try:
            async with asyncio.timeout(seconds + drain_s):
                await self._done.wait()
        except TimeoutError:
            self.failed(f"{self._busy} answers were still missing {drain_s:g} s after the end")
        finally:
            timer.cancel()
        if self._error:
            raise self._error
        return Count(self.answered, perf_counter() - started, self._reconnects)

    def _start(self) -> None:
        if self._error:
            raise self._error
        self._busy, self.answered, self.stopping, self._reconnects = len(self._connections), 0, False, 0
        self._done.clear()
        for connection in self._connections:
            connection.send()

    def _stop(self) -> None:
        self.stopping = True

    def replace(self, closed: _Looping) -> None:
        """The peer has said that this connection ends here, as it may: another takes its place."""
        task = asyncio.get_running_loop().create_task(self._replace(closed))
        self._reconnecting.add(task)
        task.add_done_callback(self._reconnecting.discard)

    async def _replace(self, closed: _Looping) -> None:
        try:
            async with asyncio.timeout(CONNECT_S):
                fresh = await self._connect()
        except OSError as error:
            self.failed(f"no new connection after `Connection: close`: {error!r}")
            return
        self._reconnects += 1
        self._connections[self._connections.index(closed)] = fresh
        fresh.again()

    def finished(self) -> None:
        """A connection has its last answer."""
        self._busy -= 1
        if not self._busy:
            self._done.set()

    def failed(self, why: str) -> None:
        """The first error ends this run, or the next one where it came between two."""
        self.stopping = True
        self._error = self._error or WrongAnswer(why)
        self._done.set()

    def close(self) -> None:
        self.stopping = True
        for task in self._reconnecting:
            task.cancel()
        for connection in self._connections:
            connection.close()


class Loading(Protocol):
    """What a connection is told by its load."""

    request: bytes
    answer: bytes

    def failed(self, why: str) -> None: ...


class Connection(asyncio.Protocol):
    """Reads answers and believes nothing of them; `_answered` is called for each that is right."""

    def __init__(self, load: Loading) -> None:
        self._load = load
        self._answer = load.answer
        self._length = str(len(load.answer))
        self._received = _IDLE
        self._pending = b""
        self._closed = False
        self._last = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass

    def send(self) -> None:
        self._received = _HEAD
        self._transport.write(self._load.request)

    @property
    def idle(self) -> bool:
        return self._received == _IDLE

    def rest(self) -> None:
        self._received = _IDLE

    def close(self) -> None:
        self._closed = True
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._received < 0:
            data = self._pending + data
            end = data.find(b"\r\n\r\n")
            wrong = self._wrong_head(data, end)
            if wrong:
                self._fail(wrong)
            elif end < 0:
                self._pending = data
            else:
                self._pending, self._received = b"", 0
                self._body(data[end + 4 :])
        else:
            self._body(data)

    def _wrong_head(self, data: bytes, end: int) -> str | None:
        """What is wrong with the answer so far; `end` is where its head ends, -1 while that has not come."""
        if self._received == _IDLE:
            return "bytes that nobody asked for"
        if end < 0:
            return "no end of the head in 64 KiB" if len(data) > MAX_HEAD else None
        if not data.startswith(b"HTTP/1.1 200 "):
            return f"status line {_line(data, 0)!r}"
        head = data[: end + 2].lower()
        field = head.find(b"\r\ncontent-length:")
        length = _line(data, field + 17) if field >= 0 else "missing"
        self._last = b"\r\nconnection: close\r\n" in head
        return None if length == self._length else f"Content-Length is {length}, not {self._length}"

    def _body(self, data: bytes) -> None:
        # One comparison in C finds a wrong byte and one too many.
        if not self._answer.startswith(data, self._received):
            self._fail(f"wrong body after byte {self._received}")
            return
        self._received += len(data)
        if self._received == len(self._answer):
            self._answered()

    def _answered(self) -> None:
        raise NotImplementedError

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closed:
            self._fail(f"connection closed by the peer ({exc or 'end of file'})")

    def _fail(self, why: str) -> None:
        self.close()
        self._load.failed(why)


class _Looping(Connection):
    def __init__(self, load: Load) -> None:
        super().__init__(load)
        self._owner = load

    def _answered(self) -> None:
        self._owner.answered += 1
        if self._last:
            self.close()
            self._owner.replace(self)
        else:
            self.again()

    def again(self) -> None:
        """Idle now: the next request, or none."""
        if self._owner.stopping:
            self.rest()
            self._owner.finished()
        else:
            self.send()


def _line(data: bytes, start: int) -> str:
    return data[start : data.find(b"\r", start)].decode("latin-1").strip()


@asynccontextmanager
async def connected(
    request: bytes, answer: bytes, connections: int, port: int, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Load]:
    """A load with all its connections open; `answer` is a body. Raises OSError or TimeoutError where that fails."""
    load = Load(request, answer)
    try:
        await load.open(connections, port, tls)
        yield load
    finally:
        load.close()
        await asyncio.sleep(0)  # so that the transports are gone before the loop is
