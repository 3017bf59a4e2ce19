"""WebSocket: the handshake on both sides, then bytes, half closes and ends."""

from __future__ import annotations

import pytest

from edgeproxy.net.limits import Limits
from tests.wire.reading import read_responses
from tests.wire.world import FarClient, FarWorker, Request, World, silent

ASK = (
    b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
ACCEPT = b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"  # of RFC 6455 section 1.3
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + ACCEPT + b"\r\n"


def switching(far: FarWorker, request: Request) -> None:
    far.tunnel = bytearray()
    far.transport.feed(SWITCH)


def opened(half_closes: bool = True, **more: object) -> tuple[World, FarClient, FarWorker]:
    world = World(switching, half_closes=half_closes, **more)  # type: ignore[arg-type]
    client = world.client()
    client.send(ASK)
    assert client.got.startswith(b"HTTP/1.1 101 ")
    assert ACCEPT in client.got
    client.transport.delivered.clear()
    return world, client, world.far


def assert_over(world: World) -> None:
    assert all(far.transport.lost for far in world.far_workers)
    assert world.in_flight == 0
    assert world.statuses == [101]
    assert world.faults == [None]
    assert world.workers[0].idle == []
    assert world.edge.upstreams == world.edge.clients == set()


def test_bytes_pass_both_ways() -> None:
    _world, client, far = opened()
    client.send(b"\x81\x02hi")
    assert bytes(far.tunnel or b"") == b"\x81\x02hi"
    far.feed(b"HTTP/1.1 200 is not read\r\n\r\n")
    assert client.got == b"HTTP/1.1 200 is not read\r\n\r\n"


def test_what_comes_before_101_waits_for_it() -> None:
    world = World(silent)
    client = world.client()
    client.send(ASK + b"early")
    assert world.far.got.endswith(b"\r\n\r\n")
    world.far.tunnel = bytearray()
    world.far.feed(SWITCH + b"late")
    assert client.got.endswith(b"\r\n\r\nlate")
    assert bytes(world.far.tunnel) == b"early"


def test_much_before_101_stops_the_client_only_until_then() -> None:
    world = World(silent)
    client = world.client()
    client.send(ASK)
    client.send_all([b"a" * 10000] * 20)
    assert client.transport.paused_reading
    assert len(client.connection.buffer) < Limits().buffer + 10000
    world.far.tunnel = bytearray()
    world.far.feed(SWITCH)
    assert len(world.far.tunnel) == 200000


@pytest.mark.parametrize(
    "answer",
    [
        SWITCH.replace(ACCEPT, b""),
        SWITCH.replace(b"s3pP", b"S3pP"),
        SWITCH.replace(b"Upgrade: websocket\r\n", b""),
        SWITCH.replace(b"websocket", b"h2c"),
    ],
)
def test_a_worker_that_has_not_understood_is_refused(answer: bytes) -> None:
    world = World(silent)
    client = world.client()
    client.send(ASK + b"early")
    world.far.feed(answer + b"late")
    [response] = read_responses(client.got, client.transport.ended)
    assert response.status == 502
    assert response.value(b"connection") == b"close"
    assert b"late" not in client.got
    assert world.far.transport.aborted
    assert world.in_flight == 0


def test_a_worker_that_refuses_ends_the_client_s_connection() -> None:
    world = World(b"HTTP/1.1 403 x\r\nContent-Length: 2\r\n\r\nno")
    client = world.client()
    client.send(ASK + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
    [response] = read_responses(client.got, client.transport.ended)
    assert (response.status, response.body) == (403, b"no")
    assert response.value(b"connection") == b"close"
    assert len(world.seen) == 1
    assert not client.alive


@pytest.mark.parametrize("leave", ["eof", "reset"])
def test_a_client_that_leaves_before_101_cancels(leave: str) -> None:
    world = World(silent)
    client = world.client()
    client.send(ASK)
    getattr(client, leave)()
    assert world.far.transport.aborted
    assert world.in_flight == 0


def test_a_worker_that_leaves_before_101_is_another_worker_s_turn() -> None:
    world = World(silent, workers=2)
    client = world.client()
    client.send(ASK + b"early")
    world.script = switching
    world.far.reset()
    assert client.got.startswith(b"HTTP/1.1 101 ")
    assert bytes(world.far.tunnel or b"") == b"early"


def test_a_client_that_has_finished_still_hears_the_worker() -> None:
    world, client, far = opened()
    client.send(b"last words")
    client.eof()
    assert far.transport.eof_delivered
    assert not far.transport.lost
    far.feed(b"answer")
    assert client.got == b"answer"
    far.eof()
    assert client.transport.lost
    assert_over(world)


def test_a_worker_that_has_finished_still_hears_the_client() -> None:
    world, client, far = opened()
    far.feed(b"last words")
    far.eof()
    assert client.transport.eof_delivered
    assert not client.transport.lost
    client.send(b"answer")
    assert bytes(far.tunnel or b"") == b"answer"
    client.eof()
    assert client.transport.lost
    assert_over(world)


def test_what_is_unsent_at_the_end_is_sent() -> None:
    world, client, far = opened()
    far.eof()
    far.transport.window = 0
    client.send(b"last words")
    client.eof()
    far.transport.take()
    world.loop.run()
    assert bytes(far.tunnel or b"") == b"last words"
    assert_over(world)


@pytest.mark.parametrize("side", ["client", "worker"])
def test_a_reset_ends_both_sides(side: str) -> None:
    world, client, far = opened()
    (client if side == "client" else far).reset()
    assert client.transport.lost
    assert_over(world)


@pytest.mark.parametrize("side", ["client", "worker"])
def test_where_no_half_close_is_an_end_ends_both_sides(side: str) -> None:
    world, client, far = opened(half_closes=False)
    far.feed(b"last words")
    (client if side == "client" else far).eof()
    assert client.got == b"last words"
    assert client.transport.lost
    assert_over(world)


def test_a_slow_client_stops_the_worker() -> None:
    _world, client, far = opened()
    client.transport.window = 0
    for _ in range(4):
        far.feed(b"a" * 50000)
    assert far.transport.paused_reading
    assert len(client.transport.unsent) <= Limits().buffer + 50000
    client.read()
    assert len(client.got) == 200000


def test_a_slow_worker_stops_the_client() -> None:
    world, client, far = opened()
    far.transport.window = 0
    client.send_all([b"a" * 50000] * 4)
    assert client.transport.paused_reading
    far.transport.take()
    world.loop.run()
    assert len(far.tunnel or b"") == 200000


def test_a_tunnel_on_which_nobody_speaks_ends() -> None:
    world, client, far = opened(limits=Limits(tunnel_idle=10, keep_alive=5, body_idle=5, stream_idle=5))
    for _ in range(3):
        world.advance(9)
        client.send(b"a")
        world.advance(9)
        far.feed(b"b")
    assert client.alive
    world.advance(11)
    assert client.transport.lost
    assert far.transport.aborted
    assert world.in_flight == 0


def test_bytes_are_counted() -> None:
    world, client, far = opened()
    client.send(b"abc")
    far.feed(b"hello")
    client.reset()
    counts = world.counters.route("all")
    assert (counts.bytes_in, counts.bytes_out) == (3, 5)
