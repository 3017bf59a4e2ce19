"""Clients and workers that do anything in any order: what must hold however an exchange goes."""

from __future__ import annotations

import random

import pytest

from edgeproxy.net.limits import Limits
from tests.wire.world import OK, FarClient, FarWorker, World, silent

SAID_BY_CLIENTS = [
    b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n" * 3,
    b"HEAD /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
    b"PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 100000\r\n\r\n",
    b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    b"hello",
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b"GET / HT",
    b"a" * 70000,
    b"\r\n",
    b"\n\x00",
]
SAID_BY_WORKERS = [
    OK,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\nhello",
    b"HTTP/1.1 204 x\r\n\r\n",
    b"HTTP/1.1 103 x\r\n\r\n",
    b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n",
    b"HTTP/1.1 2",
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b"a" * 70000,
    b"\n",
]


class Chaos:
    """One run: a few steps by either side, then everybody leaves."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        limits = Limits(body_idle=5, first_byte=10, stream_idle=5, write_idle=5, keep_alive=10, head=5, tunnel_idle=20)
        self.world = World(silent, workers=2, limits=limits, half_closes=self.dice.random() < 0.8)
        self.clients = [self.world.client() for _ in range(2)]

    def step(self) -> None:
        dice, world = self.dice, self.world
        chosen = dice.random()
        if chosen < 0.45:
            self.by_client(dice.choice(self.clients))
        elif chosen < 0.85 and world.far_workers:
            self.by_worker(dice.choice(world.far_workers))
        elif chosen < 0.9:
            world.dialer.hold = not world.dialer.hold
        elif chosen < 0.95:
            world.dialer.release()
        elif chosen < 0.97:
            world.dialer.refuse()
        else:
            world.advance(dice.choice([0.1, 1.5, 6, 12]))
        self.check()

    def by_client(self, client: FarClient) -> None:
        dice = self.dice
        chosen = dice.random()
        if client.transport.lost or (chosen < 0.05 and not client.transport.closing):
            client.reset()
            self.clients[self.clients.index(client)] = self.world.client()
        elif chosen < 0.1:
            client.eof()
        elif chosen < 0.15:
            client.transport.window = 0
        elif chosen < 0.25:
            client.read(dice.choice([None, 1000, 60000]))
        else:
            client.send(dice.choice(SAID_BY_CLIENTS))

    def by_worker(self, far: FarWorker) -> None:
        dice = self.dice
        far.tunnel = bytearray()  # what it gets is not looked at here
        chosen = dice.random()
        if chosen < 0.07:
            far.eof()
        elif chosen < 0.14:
            far.reset()
        elif chosen < 0.2:
            far.transport.window = 0
        elif chosen < 0.3:
            far.transport.take(dice.choice([None, 1000, 60000]))
            self.world.loop.run()
        else:
            far.feed(dice.choice(SAID_BY_WORKERS))

    def check(self) -> None:
        world = self.world
        under_way = [client.connection.exchange for client in self.clients if client.connection.exchange is not None]
        assert world.in_flight == sum(exchange.worker is not None for exchange in under_way)
        for client in self.clients:
            assert len(client.connection.buffer) < Limits().buffer + 200_000
            assert len(client.transport.unsent) < Limits().buffer + 200_000
        for worker in world.workers:
            assert all(connection.exchange is None for connection in worker.idle)
        assert all(not far.transport.late_writes for far in world.far_workers)

    def end(self) -> None:
        """Nobody says anything more, and nobody reads."""
        world = self.world
        world.dialer.hold = False
        world.dialer.release()
        world.advance(120)
        assert world.in_flight == 0
        assert world.edge.clients == world.edge.upstreams == set()
        assert world.counters.open_connections == 0
        assert all(worker.idle == [] for worker in world.workers)
        assert all(far.transport.lost for far in world.far_workers)


@pytest.mark.parametrize("seed", range(150))
def test_counts_come_back_and_all_connections_end(seed: int) -> None:
    chaos = Chaos(seed)
    for _ in range(60):
        chaos.step()
    chaos.end()
