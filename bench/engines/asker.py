"""Connections in a closed loop for any protocol of lines: one question, until its answer has ended, and again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import cast

CONNECTIONS = 64
PATIENCE_S = 10.0


class Line(asyncio.Protocol):
    """`first` is said once and not counted. An answer has ended where it has `ends`; `wrong` in it is an error."""

    def __init__(self, first: bytes, question: bytes, ends: bytes, wrong: bytes) -> None:
        self._first, self._question, self._ends, self._wrong = first, question, ends, wrong
        self._got = b""
        self.answers = 0
        self.asking = True
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._first + self._question)

    def data_received(self, data: bytes) -> None:
        self._got += data
        if self._wrong in self._got:
            self._end(ValueError(self._got[-300:].decode(errors="replace")))
        elif self._ends in self._got:
            self._got = b""
            self.answers += 1
            if self.asking:
                self.transport.write(self._question)
            else:
                self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or ConnectionError("it closed the connection"))

    def _end(self, error: Exception | None) -> None:
        if not self.done.done():
            if error:
                self.done.set_exception(error)
            else:
                self.done.set_result(None)


async def asked(port: int, seconds: float, line: Callable[[int], Line]) -> int:
    """How many answers came in all. Raises OSError or ValueError."""
    loop = asyncio.get_running_loop()
    lines: list[Line] = []
    try:
        for number in range(CONNECTIONS):
            _, made = await loop.create_connection(lambda number=number: line(number), "127.0.0.1", port)
            lines.append(made)
        until = perf_counter() + seconds
        while perf_counter() < until and not any(one.done.done() for one in lines):
            await asyncio.sleep(0.05)
        for one in lines:
            one.asking = False
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(one.done for one in lines))
        return sum(one.answers for one in lines)
    finally:
        for one in lines:
            one.done.cancel()
            one.transport.abort()
