"""Readers: what they accept of a stream, and that a delay is counted for every event."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from bench.backend import Backend, House
from bench.backend.events import STREAM_HEAD, chunk
from bench.closed_loop import WrongAnswer
from bench.event_reader import reading


@asynccontextmanager
async def stream_of(*pieces: bytes) -> AsyncIterator[int]:
    """A server that sends these pieces, a turn apart, and then nothing; an empty one closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            if not piece:
                break
            writer.write(piece)
            await asyncio.sleep(0.002)
        else:
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def cut(stream: bytes, size: int) -> Sequence[bytes]:
    return [stream[at : at + size] for at in range(0, len(stream), size)]


def joined(*numbers: int) -> bytes:
    """The events with these numbers in one chunk."""
    events = b"".join(chunk(number)[4:-2] for number in numbers)
    return b"%X\r\n%s\r\n" % (len(events), events)


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
async def test_however_it_is_cut_each_event_counts_once(size: int) -> None:
    stream = STREAM_HEAD + chunk(0) + joined(1, 2) + chunk(3)
    async with stream_of(*cut(stream, size)) as port, reading(1, port) as readers:
        async with asyncio.timeout(5):
            while len(readers.delays_ns) < 4:
                await asyncio.sleep(0.01)
        assert readers.error is None
        assert all(0 < delay < 5e9 for delay in readers.delays_ns)


@pytest.mark.parametrize(
    ("stream", "why"),
    [
        (STREAM_HEAD.replace(b"200 OK", b"502 No"), "the stream began with"),
        (STREAM_HEAD.replace(b"chunked", b"gzip"), "the stream began with"),
        (STREAM_HEAD + b"xyz\r\n", "invalid literal"),
        (STREAM_HEAD + chunk(1), "event 0 was"),
        (STREAM_HEAD + chunk(0).replace(b"xxx", b"xyx"), "event 0 was"),
    ],
)
async def test_a_stream_that_is_wrong_from_the_start_is_not_read(stream: bytes, why: str) -> None:
    async with stream_of(stream) as port:
        with pytest.raises(WrongAnswer, match=why):
            async with reading(2, port):
                pass


@pytest.mark.parametrize(
    ("later", "why"), [(chunk(2), "event 1 was"), (b"0\r\n\r\n", "the stream ended"), (b"", "closed by the peer")]
)
async def test_a_stream_that_goes_wrong_later_fails_the_round(later: bytes, why: str) -> None:
    async with stream_of(STREAM_HEAD + chunk(0), later) as port, reading(1, port) as readers:
        await asyncio.sleep(0.05)
        with pytest.raises(WrongAnswer, match=why):
            readers.end()


async def test_what_came_before_the_beginning_is_not_counted() -> None:
    house = House()
    server = await asyncio.get_running_loop().create_server(lambda: Backend(house), "127.0.0.1", 0)
    async with server, reading(3, server.sockets[0].getsockname()[1]) as readers:
        assert len(readers.delays_ns) == 3
        readers.begin()
        with pytest.raises(WrongAnswer, match="0 events"):
            readers.end()
