"""The door of a process: shut, and open again, also where that fails at first."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import Any

import pytest

from edgeproxy.net import accept
from edgeproxy.net.accept import Accepting


class Peer(asyncio.Protocol):
    def connection_made(self, transport: Any) -> None:
        transport.write(b"in")
        transport.close()


async def answered(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(5):
        got = await reader.read()
    writer.close()
    await writer.wait_closed()
    return got


async def test_what_came_while_the_door_was_shut_is_let_in_when_it_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a descriptor to spare the door cannot be opened at once; it is tried again, not given up."""
    monkeypatch.setattr(accept, "AGAIN", 0.01)
    loop = asyncio.get_running_loop()
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    port = sock.getsockname()[1]
    accepting = Accepting(loop, Peer, [sock], {})
    await accepting.begin()
    assert await answered(port) == b"in"
    accepting.pause()
    await asyncio.sleep(0)
    waiting = loop.create_task(answered(port))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    failures, create = [1, 2, 3], loop.create_server

    async def failing(*arguments: Any, **options: Any) -> Any:
        if failures:
            failures.pop()
            raise OSError(errno.EMFILE, "Too many open files")
        return await create(*arguments, **options)

    monkeypatch.setattr(loop, "create_server", failing)
    accepting.resume()
    assert await waiting == b"in"
    assert failures == []
    accepting.pause()
    await asyncio.sleep(0)
    sock.close()
