"""The client to which anything may happen: all of it is an answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bench.asking import NOTHING, Answer, Asker, request
from bench.backend import payload

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"


@asynccontextmanager
async def asking(*pieces: bytes | None) -> AsyncIterator[Asker]:
    """Asker of a server that answers every request with these pieces; None closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            for piece in pieces:
                if piece is None:
                    writer.close()
                    return
                writer.write(piece)
                await asyncio.sleep(0.002)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        asker = await Asker.to(server.sockets[0].getsockname()[1])
        yield asker
        asker.close()
        await asyncio.sleep(0.02)


async def test_it_asks_again_on_the_same_connection() -> None:
    async with asking(OK[:20], OK[20:]) as asker:
        for _ in range(2):
            assert await asker.ask(request("GET /")) == Answer(200, b"abc")
        assert not asker.closed


@pytest.mark.parametrize(
    ("pieces", "answer"),
    [
        ((None,), NOTHING),
        ((OK[:-1], None), NOTHING),
        ((b"HTTP/1.1 502 No\r\nconnection: Close\r\nContent-Length: 0\r\n\r\n",), Answer(502)),
    ],
)
async def test_a_connection_that_ends_is_known_to_have_ended(pieces: tuple[bytes | None, ...], answer: Answer) -> None:
    async with asking(*pieces) as asker:
        assert await asker.ask(request("GET /")) == answer
        assert asker.closed
        assert await asker.ask(request("GET /")) == NOTHING


async def test_patience_ends() -> None:
    async with asking(OK[:-1]) as asker:
        assert await asker.ask(request("GET /"), 0.05) == NOTHING
        assert asker.closed


def test_a_request_has_what_it_is_given() -> None:
    assert request("GET /a") == b"GET /a HTTP/1.1\r\nHost: edge.example\r\n\r\n"
    assert request("POST /a", "x-1", 5) == (
        b"POST /a HTTP/1.1\r\nHost: edge.example\r\nX-Bench-Id: x-1\r\nContent-Length: 5\r\n\r\n" + payload(5)
    )
