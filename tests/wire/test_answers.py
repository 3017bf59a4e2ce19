"""Every case of `answers`: said whole, cut in two at every byte, and byte by byte, over an edge in memory."""

from __future__ import annotations

import pytest

from tests.wire.answers import ANSWERS, REFUSED, WHOLE, Answer
from tests.wire.reading import Response, read_responses
from tests.wire.test_requests import pieces
from tests.wire.world import OK, FarClient, World, silent


def broken(response: Response, client: FarClient) -> bool:
    """By length, by the missing last chunk, or by a reset where only the end of the connection ends the body."""
    assert client.transport.lost
    return client.transport.aborted or not response.complete


def check_fields(case: Answer, response: Response) -> None:
    for name, value in case.fields:
        assert response.value(name) == value
    for name in case.hidden:
        assert response.value(name) is None, f"{name!r} went through"
    assert response.value(b"x-request-id") not in (None, b"theirs")
    assert response.value(b"via") is not None


def check(case: Answer, client: FarClient) -> None:
    responses = read_responses(client.got, client.transport.ended, [case.method])
    assert len(responses) == 1
    response = responses[0]
    if case.outcome == WHOLE:
        assert (response.status, response.body, response.complete) == (case.status, case.body, True)
        check_fields(case, response)
        assert client.alive is case.lives
    elif case.outcome == REFUSED and response.status == 502:
        assert response.complete
        assert client.alive is case.lives
    else:
        assert response.status == case.status
        assert broken(response, client)


def play(case: Answer, parts: list[bytes]) -> None:
    world = World(silent)
    client = world.client()
    client.send(case.method + b" / " + case.version + b"\r\nHost: a\r\n\r\n")
    far = world.far
    for part in parts:
        far.feed(part)
    if case.ends:
        far.eof()
    check(case, client)
    assert len(world.lines.records) == 1
    assert world.in_flight == 0
    assert far.transport.late_writes == client.transport.late_writes == 0
    assert far.transport.closing is not case.pooled
    assert (world.faults != [None]) is (case.outcome != WHOLE)
    assert world.edge.upstreams == ({far.connection} if case.pooled else set())
    if client.alive:
        world.script = OK
        client.send(b"GET /again HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.got.endswith(b"ok")
        assert (world.far is far) is case.pooled


@pytest.mark.parametrize("case", ANSWERS, ids=str)
def test_answer(case: Answer) -> None:
    for parts in pieces(case.said):
        try:
            play(case, parts)
        except AssertionError as error:
            cut = "byte by byte" if len(parts) > 2 else f"cut at {len(parts[0])}"
            raise AssertionError(f"{case} (RFC {case.rule}), {cut}: {error}") from error


def test_names_are_unique() -> None:
    assert len({str(case) for case in ANSWERS}) == len(ANSWERS)


def test_interim_answers_pass_in_order() -> None:
    world = World(silent)
    client = world.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    world.far.feed(b"HTTP/1.1 103 Early\r\nLink: </a>\r\nConnection: x\r\nX: 1\r\n\r\nHTTP/1.1 102 x\r\n\r\n")
    assert client.got == b"HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\nHTTP/1.1 102 x\r\n\r\n"
