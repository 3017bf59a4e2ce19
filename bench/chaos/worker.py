"""A worker to do harm to: `python -m bench.chaos.worker PORT SECONDS [serial]`.

GET is answered after SECONDS, one at a time if `serial`; `/stream/N` is N events, a tenth of a second apart.
SIGUSR1: from then on it resets every connection that asks for anything.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import cast

import uvloop

_OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
_STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
PACE = 0.1
"""Seconds between two events."""


class Desk:
    """What the connections share: how long an answer takes, and when the one before is done."""

    def __init__(self, seconds: float, *, serial: bool) -> None:
        self.seconds = seconds
        self.resets = False
        self._serial = serial
        self._free_at = 0.0

    def until_done(self, now: float) -> float:
        begin = max(now, self._free_at) if self._serial else now
        self._free_at = begin + self.seconds
        return self._free_at


class Connection(asyncio.Protocol):
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._desk.resets:
            self._transport.abort()
        elif data.startswith(b"GET /stream/"):
            self._transport.write(_STREAM)
            self._event(0, int(data[12:].split(b" ", 1)[0]))
        elif data.startswith(b"GET /health"):
            self._answer()
        else:
            self._loop.call_at(self._desk.until_done(self._loop.time()), self._answer)

    def _answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(_OK)

    def _event(self, number: int, count: int) -> None:
        if self._transport.is_closing():
            return
        if number == count:
            self._transport.write(b"0\r\n\r\n")
            return
        event = b"data: %d\n\n" % number
        self._transport.write(b"%x\r\n%b\r\n" % (len(event), event))
        self._loop.call_later(PACE, self._event, number + 1, count)


async def serve(port: int, desk: Desk) -> None:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, lambda: setattr(desk, "resets", True))
    server = await loop.create_server(lambda: Connection(desk), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), Desk(float(sys.argv[2]), serial=len(sys.argv) > 3)))
