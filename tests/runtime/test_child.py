"""The child's side: what it hears before it listens, how it ends."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest

from edgeproxy.runtime.channel import Message, encode
from edgeproxy.runtime.child import ORPHAN_DRAIN, Child
from tests.runtime.fleet import PROGRAM


@pytest.fixture
async def ends() -> AsyncIterator[tuple[Child, socket.socket]]:
    theirs, supervisor = socket.socketpair()
    supervisor.setblocking(False)
    child = Child(0, [], drain=30.0)
    await child.connect(theirs)
    with supervisor:
        yield child, supervisor
    child.close()
    await asyncio.sleep(0.01)


async def say(supervisor: socket.socket, *messages: Message) -> None:
    await asyncio.get_running_loop().sock_sendall(supervisor, b"".join(map(encode, messages)))
    await asyncio.sleep(0.05)


async def test_what_came_early_is_handed_over_with_the_handler(ends: tuple[Child, socket.socket]) -> None:
    child, supervisor = ends
    await say(supervisor, {"type": "a", "n": 1}, {"type": "b"}, {"type": "a", "n": 2})
    heard: list[Message] = []
    child.on_message = heard.append
    assert heard == [{"type": "b"}, {"type": "a", "n": 2}]
    await say(supervisor, {"type": "c"})
    assert heard[2:] == [{"type": "c"}]


async def test_ready_is_said_and_a_beat_follows(ends: tuple[Child, socket.socket]) -> None:
    child, supervisor = ends
    child.ready()
    data = await asyncio.get_running_loop().sock_recv(supervisor, 1000)
    assert data.splitlines() == [b'{"type":"ready"}', b'{"type":"beat"}']


async def test_the_supervisor_says_how_long_the_drain_may_take(ends: tuple[Child, socket.socket]) -> None:
    child, supervisor = ends
    await say(supervisor, {"type": "drain", "seconds": 7.5, "replaced": False})
    async with asyncio.timeout(30):
        assert await child.until_drain() == 7.5
        assert await child.until_drain() == 7.5
    assert not child.replaced


async def test_and_whether_another_is_at_its_place(ends: tuple[Child, socket.socket]) -> None:
    child, supervisor = ends
    await say(supervisor, {"type": "drain", "seconds": 7.5, "replaced": True})
    async with asyncio.timeout(30):
        await child.until_drain()
    assert child.replaced


async def test_a_child_without_supervisor_leaves_soon(ends: tuple[Child, socket.socket]) -> None:
    child, supervisor = ends
    supervisor.close()
    async with asyncio.timeout(30):
        assert await child.until_drain() == ORPHAN_DRAIN
    assert child.replaced, "nobody knows: it does not act as if there was nobody"


def test_a_child_is_not_started_by_hand() -> None:
    done = subprocess.run(
        [sys.executable, PROGRAM, "child"],
        env={**os.environ, "MOOD": "/"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (2, "error: this command is started by its supervisor only\n")
