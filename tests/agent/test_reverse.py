"""Dialling in at an edge: what edges, and things that are none, answer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from coordinator.agent.reverse import SPARE, EdgeLines, Refused, ReverseDial, dial_in
from edgeproxy.gateway import Gateway
from tests.agent.standin import until

SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: edgeproxy-reverse\r\n"
    b"Edgeproxy-Process: %d/%d\r\nEdgeproxy-Wanted: %d\r\n\r\n"
)
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[str]:
    tasks: set[asyncio.Task[None]] = set()

    async def safely(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(safely(reader, writer))
        tasks.add(task)

    async with await asyncio.start_server(begin, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)


def answering(answer: bytes) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    return serve


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "closed the connection"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "does not speak HTTP/1.1: is it an edge proxy's URL?"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "answered 404 to Upgrade: is it an edge proxy's URL?"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "answered 200 to Upgrade"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", "answered 101 to Upgrade"),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "does not know this machine yet"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "has enough connections of ours"),
        (b"x" * 9000, "its answer has no end"),
    ],
)
async def test_what_is_no_edge_is_told(answer: bytes, reason: str) -> None:
    async with listening(answering(answer)) as url:
        with pytest.raises(Refused, match=reason.replace("?", r"\?")):
            await dial_in(url, "m1", "token")


async def test_who_does_not_listen_is_an_os_error() -> None:
    with pytest.raises(ConnectionRefusedError):
        await dial_in("http://127.0.0.1:1", "m1", "token")


async def test_what_is_asked() -> None:
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))

    async with listening(serve) as url:
        with pytest.raises(Refused):
            await dial_in(url, "m1", "secret")
        host = url.removeprefix("http://").encode()
    assert asked[0].split(b"\r\n")[:6] == [
        b"GET /.well-known/edgeproxy/reverse HTTP/1.1",
        b"Host: " + host,
        b"Connection: Upgrade",
        b"Upgrade: edgeproxy-reverse",
        b"Edgeproxy-Worker: m1",
        b"Edgeproxy-Token: secret",
    ]


async def test_every_process_of_an_edge_gets_its_connections() -> None:
    """The kernel's choice is played by a fixed one that favours the first process."""
    landed: list[int] = []
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        slot = 2 if len(landed) % 7 == 6 else len(landed) % 2
        landed.append(slot)
        writers.append(writer)
        writer.write(SWITCH % (slot, 3, 0))
        await reader.read()

    def kept(lines: EdgeLines) -> list[int]:
        return sorted({line.slot for line in lines._lines if line.open})

    async with listening(serve) as url, Gateway(asyncio.get_running_loop()) as gateway:
        lines = EdgeLines(url, "m1", "token", gateway)
        running = asyncio.ensure_future(lines.run())
        await until(lambda: sum(line.slot == 2 and line.open for line in lines._lines) >= SPARE)
        assert kept(lines) == [0, 1, 2]
        for writer in writers:
            writer.transport.abort()
        seen = len(landed)
        await until(lambda: len(landed) >= seen + SPARE)  # all of them are replaced
        running.cancel()
        await asyncio.wait({running})


async def test_a_request_that_comes_with_the_answer_is_served() -> None:
    got: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(SWITCH % (0, 1, 1) + b"GET /health HTTP/1.1\r\nHost: agent\r\n\r\n")
        answer = await reader.readuntil(b"}")
        if not got.done():
            got.set_result(answer)

    async with listening(serve) as url, Gateway(asyncio.get_running_loop()) as gateway:
        dial = ReverseDial(gateway, "token", lambda: [url])
        running = asyncio.ensure_future(dial.run("m1"))
        assert (await asyncio.wait_for(got, 10)).startswith(b"HTTP/1.1 200 OK\r\n")
        running.cancel()
        await asyncio.wait({running})


async def test_a_service_that_is_not_there_is_told_as_such() -> None:
    got: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(SWITCH % (0, 1, 1) + b"POST /service/x/y HTTP/1.1\r\nHost: agent\r\nContent-Length: 0\r\n\r\n")
        answer = await reader.readuntil(b"\r\n\r\n")
        if not got.done():
            got.set_result(answer)

    async with listening(serve) as url, Gateway(asyncio.get_running_loop()) as gateway:
        gateway.serve({"x": "http://127.0.0.1:1"})
        running = asyncio.ensure_future(ReverseDial(gateway, "token", lambda: [url]).run("m1"))
        assert b"\r\nEdgeproxy-Not-Sent: 1\r\n" in await asyncio.wait_for(got, 10)
        running.cancel()
        await asyncio.wait({running})
