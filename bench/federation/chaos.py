"""A TCP proxy that delays and stalls what passes: a wide area, where the kernel has no netem."""

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import Final

CHUNK: Final = 64 * 1024
STALL: Final = 0.2  # what a lost segment costs: a retransmission


@dataclass
class Chaos:
    """From (`host`, `port`) to `target`. `delay` seconds each way, `loss` the share of chunks that are stalled;
    `open` False: nothing passes, in both directions, and nobody is told."""

    host: str
    target: tuple[str, int]
    delay: float = 0.0
    loss: float = 0.0
    open: bool = True
    port: int = 0
    dice: Random = field(default_factory=lambda: Random(1))
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await asyncio.sleep(self.delay)
            there, back = await asyncio.open_connection(*self.target)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._pass(reader, back))
                    group.create_task(self._pass(there, writer))
            finally:
                back.close()
        except* OSError:
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK):
            await asyncio.sleep(self.delay + (STALL if self.dice.random() < self.loss else 0.0))
            while not self.open:
                await asyncio.sleep(0.05)
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
