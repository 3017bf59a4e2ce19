"""`python -m bench.soak.worker --port N --log FILE`: a worker that misbehaves when it is told to.

| request | answer |
|---|---|
| `GET /echo/ID/SIZE` | SIZE bytes that depend on ID alone; chunked where ID is odd |
| `PUT /echo/ID/SIZE` | the same, after the whole body has come |
| `POST /once/ID/SIZE` | the same; ID is appended to FILE first, which a kill -9 does not undo |
| `GET /stream/ID/COUNT` | COUNT events, one every 100 ms, then the end of the body |
| `GET /fault/MODE` | to the worker itself: from now on `reset`, `stall`, `swallow`, `garbage`, `half`, or `none` |

One that stalls answers when it is over, as a program does that was held up; one that swallows never does.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import re
from collections.abc import Callable
from typing import cast

import uvloop

MODES = ("none", "reset", "stall", "swallow", "garbage", "half")
EVENT_S = 0.1
MAX_HEAD = 16 * 1024
MAX_SIZE = 4 * 1024 * 1024
GARBAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\n\x00\xff garbage"
_LINE = re.compile(rb"(GET|PUT|POST) /(echo|once|stream|fault|health)(?:/([0-9a-z]+))?(?:/([0-9]{1,8}))? HTTP/1\.1\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]{1,8})\r\n", re.IGNORECASE)


def content(identity: int, size: int) -> bytes:
    """The only right body for this number: no two numbers share a block of it."""
    block = hashlib.blake2b(identity.to_bytes(8), digest_size=32).digest()
    return (block * (size // len(block) + 1))[:size]


def event(identity: int, number: int) -> bytes:
    return b"data: %d %d\n\n" % (identity, number)


class State:
    """What the connections of one worker share."""

    def __init__(self, log: str) -> None:
        self._mode = "none"
        self.held: list[Callable[[], None]] = []
        """Answers that wait for the stall to end."""
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    @property
    def mode(self) -> str:
        return self._mode

    @mode.setter
    def mode(self, mode: str) -> None:
        self._mode, held, self.held = mode, self.held, []
        for answer in held:
            answer()

    def executed(self, identity: int) -> None:
        os.write(self._log, b"%d\n" % identity)


class Worker(asyncio.Protocol):
    def __init__(self, state: State) -> None:
        self._state = state
        self._received = b""
        self._streaming: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            if len(head) > MAX_HEAD:
                self._transport.abort()
            return
        length = _LENGTH.search(head + b"\r\n")
        if len(body) >= (int(length[1]) if length else 0):
            self._received = b""
            self._asked(head + b"\r\n")

    def _asked(self, head: bytes) -> None:
        line = _LINE.match(head)
        if line is None:
            self._transport.abort()
            return
        _, what, name, number = line.groups()
        if what == b"fault":
            self._state.mode = name.decode()
            self._write(b"ok")
            return
        if what == b"once":
            self._state.executed(int(name))
        if self._state.mode == "stall":
            self._state.held.append(lambda: self._respond(what, name, number))
        else:
            self._respond(what, name, number)

    def _respond(self, what: bytes, name: bytes, number: bytes) -> None:
        if self._transport.is_closing():
            return
        body = b"whole" if what == b"health" else content(int(name), min(int(number), MAX_SIZE))
        if self._misbehave(body):
            return
        if what == b"health":
            self._write(body)
        elif what == b"stream":
            self._begin_stream(int(name), int(number))
        else:
            self._answer(int(name), body)

    def _misbehave(self, body: bytes) -> bool:
        match self._state.mode:
            case "reset":
                self._transport.abort()
            case "swallow":
                pass
            case "garbage":
                self._transport.write(GARBAGE)
            case "half":
                self._transport.write(
                    b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body[: len(body) // 2]
                )
                self._transport.close()
            case _:
                return False
        return True

    def _answer(self, identity: int, body: bytes) -> None:
        if identity % 2 and body:
            middle = len(body) // 2
            pieces = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:middle], body[middle:]) if part)
            self._transport.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + pieces + b"0\r\n\r\n")
        else:
            self._write(body)

    def _write(self, body: bytes) -> None:
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    def _begin_stream(self, identity: int, count: int) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        self._transport.write(head)
        self._next(identity, 0, count)

    def _next(self, identity: int, number: int, count: int) -> None:
        if number == count:
            self._transport.write(b"0\r\n\r\n")
            return
        data = event(identity, number)
        self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))
        loop = asyncio.get_running_loop()
        self._streaming = loop.call_later(EVENT_S, self._next, identity, number + 1, count)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._streaming:
            self._streaming.cancel()


async def serve(port: int, log: str) -> None:
    state = State(log)
    server = await asyncio.get_running_loop().create_server(lambda: Worker(state), "127.0.0.1", port, backlog=1024)
    async with server:
        await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.soak.worker")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--log", required=True)
    options = parser.parse_args()
    uvloop.run(serve(options.port, options.log))


if __name__ == "__main__":
    main()
