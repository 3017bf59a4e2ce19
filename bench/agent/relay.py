"""A relay between agent and edge whose connections can be broken, as a router does that forgets them."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress


class Relay:
    """Carries bytes to 127.0.0.1:`target` both ways until `break_one`."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._open: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """The port."""
        self._server = await asyncio.start_server(self._begin, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def break_one(self) -> bool:
        """Resets both halves of a random connection; False where there is none."""
        if not self._open:
            return False
        for writer in random.choice(sorted(self._open, key=id)):
            writer.transport.abort()
        return True

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = (writer, far_writer)
        self._open.add(pair)
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        self._open.discard(pair)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
