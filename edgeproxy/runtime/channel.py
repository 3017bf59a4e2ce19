"""JSON lines between a supervisor and a child, over a socketpair.

A message is an object with a `type`. Neither side ever waits for the other: while the peer does not read,
only the last message of each type is kept (states and totals, all that is sent here, lose nothing by it).
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Self, cast

import orjson
import structlog

Message = dict[str, Any]

MAX_MESSAGE = 16 * 1024 * 1024  # bytes: a worker list of some 50,000 workers
HIGH_WATER = 256 * 1024  # bytes in our buffer from which on messages are merged by type

log = structlog.get_logger(__name__)


def encode(message: Message) -> bytes:
    """One line; ValueError if it is longer than the other side takes."""
    line = orjson.dumps(message) + b"\n"
    if len(line) > MAX_MESSAGE:
        raise ValueError(f"message {message.get('type')!r} has {len(line)} bytes, at most {MAX_MESSAGE} can be sent")
    return line


class Channel(asyncio.Protocol):
    """One end. `receive` gets each message, `closed` is called once when the other end is gone."""

    def __init__(self, receive: Callable[[Message], None], closed: Callable[[], None]) -> None:
        self._receive = receive
        self._closed = closed
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._paused = False
        self._waiting: dict[str, bytes] = {}

    @classmethod
    async def open(cls, sock: socket.socket, receive: Callable[[Message], None], closed: Callable[[], None]) -> Self:
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        _, channel = await loop.create_unix_connection(lambda: cls(receive, closed), sock=sock)
        return channel

    def send(self, message: Message) -> None:
        """Never blocks; after the end it does nothing."""
        self.send_line(message["type"], encode(message))

    def send_line(self, kind: str, line: bytes) -> None:
        if self._transport is None:
            return
        if self._paused:
            self._waiting[kind] = line
        else:
            self._transport.write(line)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass of it
        self._transport.set_write_buffer_limits(high=HIGH_WATER)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        while self._waiting and not self._paused:  # a write may pause us again
            kind = next(iter(self._waiting))
            self.send_line(kind, self._waiting.pop(kind))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if b"\n" in data:
            *lines, self._buffer = self._buffer.split(b"\n")
            for line in lines:
                self._take(line)
        if len(self._buffer) > MAX_MESSAGE and self._transport is not None:
            log.error("a message on the channel is too long, the channel is closed", limit=MAX_MESSAGE)
            self._buffer.clear()
            self._transport.abort()

    def eof_received(self) -> None:
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._waiting.clear()
        self._closed()

    def _take(self, line: bytearray) -> None:
        """A fault in one message, or in who handles it, must not end the process that hears it."""
        try:
            message = orjson.loads(line)
            if not isinstance(message, dict) or not isinstance(message.get("type"), str):
                raise TypeError("a message is an object with a type")
            self._receive(message)
        except Exception:
            log.exception("a message on the channel could not be handled", line=bytes(line[:200]))
