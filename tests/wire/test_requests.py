"""Every case of `cases`: sent whole, cut in two at every byte, and byte by byte, over an edge in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.wire.cases import REQUESTS, Case, Seen
from tests.wire.reading import read_responses
from tests.wire.world import FarClient, Request, World

ADDED = (b"via", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-request-id", b"host")
AGAIN = b"GET /again HTTP/1.1\r\nHost: a\r\n\r\n"
OUR_LOOP = b'CDN-Loop: edgeproxy; id="wire"'
MAX_CUTS = 200


def pieces(sent: bytes) -> Iterator[list[bytes]]:
    """The ways in which the bytes arrive; a long input is cut at places spread over it."""
    yield [sent]
    size = 1 if len(sent) < 8192 else 64
    yield [sent[at : at + size] for at in range(0, len(sent), size)]
    step = max(1, len(sent) // MAX_CUTS)
    for at in range(1, len(sent), step):
        yield [sent[:at], sent[at:]]


def seen(request: Request) -> Seen:
    for name in ADDED:
        assert len(request.values(name)) == 1, f"{name!r} is not there once"
    head = request.raw_head.split(b"\r\n")
    head.remove(OUR_LOOP)
    lines = tuple(line for line in head[1:] if line.partition(b":")[0].lower() not in ADDED)
    return head[0], lines, request.body


def assert_ended(world: World, client: FarClient) -> None:
    """The client can read its answer to the end, and nothing more that it sends is understood."""
    client.send(AGAIN)
    assert client.transport.ended
    world.advance(2.5)
    assert client.transport.lost, "the connection lingers too long"


def assert_lives(world: World, client: FarClient, answers: int) -> None:
    before = len(world.seen)
    client.send(AGAIN)
    assert client.alive
    assert [request.line for request in world.seen[before:]] == [b"GET /again HTTP/1.1"]
    assert world.counters.route("all").answers, "nothing was counted"


def play(case: Case, parts: list[bytes]) -> None:
    world = World(case.answer)
    client = world.client()
    client.send_all(parts)
    responses = read_responses(client.got, client.transport.ended, list(case.methods))
    assert tuple(response.status for response in responses) == case.gets
    assert all(response.complete for response in responses)
    assert tuple(map(seen, world.seen)) == case.saw
    assert (responses[-1].value(b"connection") == b"close") is not case.lives or b"HTTP/1.0" in case.sent
    if case.lives:
        assert_lives(world, client, len(responses))
    else:
        assert_ended(world, client)
    client.eof()
    assert world.in_flight == 0
    assert all(far.transport.late_writes == 0 for far in world.far_workers)


@pytest.mark.parametrize("case", REQUESTS, ids=str)
def test_request(case: Case) -> None:
    for parts in pieces(case.sent):
        try:
            play(case, parts)
        except AssertionError as error:
            cut = "byte by byte" if len(parts) > 2 else f"cut at {len(parts[0])}"
            raise AssertionError(f"{case} (RFC {case.rule}), {cut}: {error}") from error


def test_names_are_unique() -> None:
    assert len({str(case) for case in REQUESTS}) == len(REQUESTS)
