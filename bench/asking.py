"""A client connection that asks one thing after the other, and may be told anything: errors are results here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self, cast

from bench.backend import payload

PATIENCE_S = 5.0
"""For a connection, and for an answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A final answer; status 0 where the connection closed before there was one, or none came in time."""

    status: int
    body: bytes = b""


NOTHING = Answer(0)


def request(line: str, identity: str = "", body_bytes: int | None = None) -> bytes:
    """`line` is method and path."""
    fields = [f"{line} HTTP/1.1", "Host: edge.example"]
    if identity:
        fields.append(f"X-Bench-Id: {identity}")
    if body_bytes is not None:
        fields.append(f"Content-Length: {body_bytes}")
    return "\r\n".join([*fields, "", ""]).encode() + payload(body_bytes or 0)


class Asker(asyncio.Protocol):
    """`ask`, and wait for the answer, which has a Content-Length; afterwards `closed` says whether it can go on."""

    def __init__(self) -> None:
        self._waiting: asyncio.Future[Answer] | None = None
        self._received = b""
        self.closed = False

    @classmethod
    async def to(cls, port: int) -> Self:
        """Raises OSError or TimeoutError."""
        async with asyncio.timeout(PATIENCE_S):
            _, asker = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return asker

    @classmethod
    @asynccontextmanager
    async def opened(cls, port: int) -> AsyncIterator[Self]:
        """A connection for the time of a block."""
        asker = await cls.to(port)
        try:
            yield asker
        finally:
            asker.close()

    async def ask(self, asked: bytes, patience_s: float = PATIENCE_S) -> Answer:
        if self.closed:
            return NOTHING
        self._waiting = asyncio.get_running_loop().create_future()
        self._received = b""
        self._transport.write(asked)
        try:
            async with asyncio.timeout(patience_s):
                return await self._waiting
        except TimeoutError:
            self.close()
            return NOTHING

    def close(self) -> None:
        self.closed = True
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        _, has_length, rest = head.lower().partition(b"\r\ncontent-length:")
        if found and (not has_length or len(body) >= int(rest.partition(b"\r\n")[0])):
            if b"\r\nconnection: close" in head.lower():
                self.close()
            self._answered(Answer(int(head[9:12]), body))

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._answered(NOTHING)

    def _answered(self, answer: Answer) -> None:
        if self._waiting and not self._waiting.done():
            self._waiting.set_result(answer)
