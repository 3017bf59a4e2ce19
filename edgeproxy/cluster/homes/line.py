"""Notices that the connection to our home broke while it rested between two heartbeats.

A process that was killed leaves the same end of the stream as one that keeps no idle connections. So whoever listens
there is asked for another connection: where that works nothing is wrong. No second connection is kept for this.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from random import uniform
from typing import TYPE_CHECKING, Final

import aiohttp
from yarl import URL

from edgeproxy.runtime.tasks import hold

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection

JITTER: Final = 0.25  # seconds: those who lost the same home do not all knock at once
CONNECT_TIMEOUT: Final = 2.0


class LinedResponse(aiohttp.ClientResponse):
    """Knows the connection that it came by, which goes back to its pool with the last byte."""

    line: ResponseHandler | None = None

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        self.line = connection.protocol
        return await super().start(connection)


class Line:
    """`broke()` is called when the connection that is followed has ended and there is no other to be had."""

    def __init__(self, broke: Callable[[], None]) -> None:
        self._broke = broke
        self._closed: asyncio.Future[None] | None = None
        self._asking: asyncio.Task[None] | None = None

    def follow(self, line: ResponseHandler | None, home: str) -> None:
        """From now on this one, until `forget` or another."""
        closed = None if line is None or line.should_close else line.closed
        if closed is not self._closed:
            self._closed = closed
            if closed is not None:
                closed.add_done_callback(lambda closed: self._end(closed, home))

    def forget(self) -> None:
        """What happens to it is seen by who asks on it, or of no interest."""
        self._closed = None

    async def close(self) -> None:
        self.forget()
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    def _end(self, closed: asyncio.Future[None], home: str) -> None:
        if not closed.cancelled():
            closed.exception()  # how it ended does not matter
        if closed is self._closed and (self._asking is None or self._asking.done()):
            self._closed = None
            self._asking = hold(self._ask(home))

    async def _ask(self, home: str) -> None:
        await asyncio.sleep(uniform(0, JITTER))
        if not await listens(home):
            self._broke()


async def listens(url: str) -> bool:
    """Whether a connection is taken there."""
    where = URL(url, encoded=True)
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            _, writer = await asyncio.open_connection(where.host, where.port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with contextlib.suppress(OSError):  # it was there
        await writer.wait_closed()
    return True
