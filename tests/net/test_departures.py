"""Peers that leave unread, over real sockets."""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

from edgeproxy.net.departures import Departures


def on_uvloop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(test())

    return run


class Peer(asyncio.Protocol):
    """One that is not read."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.watched = -1
        self.left = asyncio.Event()
        self.lost = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def connection_lost(self, _: Exception | None) -> None:
        self.lost.set()

    def departed(self) -> None:
        self.left.set()


async def connected() -> tuple[socket.socket, Peer]:
    """A client's socket, and our end."""
    peers: list[Peer] = []

    def accept() -> Peer:
        peers.append(Peer())
        return peers[-1]

    server = await asyncio.get_running_loop().create_server(accept, "127.0.0.1", 0)
    client = socket.create_connection(server.sockets[0].getsockname())
    async with asyncio.timeout(5):
        while not peers or peers[0].transport is None:
            await asyncio.sleep(0)
    server.close()
    peers[0].transport.pause_reading()
    return client, peers[0]


async def ended(peer: Peer) -> None:
    peer.transport.abort()
    await peer.lost.wait()


@on_uvloop
async def test_an_end_behind_unread_bytes_is_told() -> None:
    departures = Departures(asyncio.get_running_loop())
    client, peer = await connected()
    departures.watch(peer)
    client.sendall(b"x" * 1000)
    await asyncio.sleep(0.05)
    assert not peer.left.is_set()
    client.close()
    async with asyncio.timeout(5):
        await peer.left.wait()
    departures.forget(peer)
    await ended(peer)
    departures.close()


@on_uvloop
async def test_an_end_that_was_there_before_is_told() -> None:
    departures = Departures(asyncio.get_running_loop())
    client, peer = await connected()
    client.close()
    await asyncio.sleep(0.05)
    departures.watch(peer)
    async with asyncio.timeout(5):
        await peer.left.wait()
    await ended(peer)
    departures.close()


@on_uvloop
async def test_a_forgotten_peer_is_not_told_of() -> None:
    departures = Departures(asyncio.get_running_loop())
    client, peer = await connected()
    other_client, other = await connected()
    departures.watch(peer)
    departures.watch(other)
    departures.forget(peer)
    client.close()
    other_client.close()
    async with asyncio.timeout(5):
        await other.left.wait()
    assert not peer.left.is_set()
    await ended(peer)
    await ended(other)
    departures.close()


@on_uvloop
async def test_forgetting_after_the_descriptor_was_closed_disturbs_nobody() -> None:
    departures = Departures(asyncio.get_running_loop())
    client, peer = await connected()
    departures.watch(peer)
    await ended(peer)
    await asyncio.sleep(0.01)
    next_client, following = await connected()  # may have the number
    departures.watch(following)
    departures.forget(peer)
    next_client.close()
    async with asyncio.timeout(5):
        await following.left.wait()
    client.close()
    await ended(following)
    departures.close()
