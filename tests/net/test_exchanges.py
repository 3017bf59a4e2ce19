"""Whole exchanges in memory: order, framing on both sides, and what each side is left with."""

from __future__ import annotations

from tests.wire.reading import read_responses
from tests.wire.world import World

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"


def settled(world: World) -> None:
    """Every count has come back and nothing was written to a connection that was closed."""
    assert world.in_flight == 0
    assert all(far.transport.late_writes == 0 for far in world.far_workers)


def test_a_request_and_its_answer() -> None:
    world = World()
    client = world.client()
    client.send(GET)
    [response] = read_responses(client.got, ended=False)
    assert (response.status, response.body, response.complete) == (200, b"ok", True)
    assert client.alive
    assert world.seen[0].line == b"GET /a HTTP/1.1"
    settled(world)
