"""A part of the cases over real sockets: what a mock transport cannot show, and that it shows the same."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from edgeproxy.net.limits import Limits
from tests.wire.cases import REQUESTS, Case
from tests.wire.reading import read_responses
from tests.wire.sockets import Running, run, running, unused_port

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
CLOSING = b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers every request, and reads each by its own framing."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if b"transfer-encoding: chunked" in head:
                while not (await reader.readuntil(b"\r\n")).startswith(b"0\r\n"):
                    pass
                await reader.readuntil(b"\r\n")
            elif b"content-length: " in head:
                await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
            writer.write(OK)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def hanging_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def resetting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def shouting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Speaks before it is asked, and leaves."""
    writer.write(OK)
    writer.close()


def statuses(got: bytes) -> tuple[int, ...]:
    return tuple(response.status for response in read_responses(got, True))


SOME = [case for case in REQUESTS if not case.lives][::8]


@pytest.mark.parametrize("case", SOME, ids=str)
def test_cases_over_sockets(case: Case) -> None:
    async def main() -> None:
        async with running(answering) as edge:
            middle = len(case.sent) // 2
            assert statuses(await edge.talk(case.sent)) == case.gets
            assert statuses(await edge.talk(case.sent[:middle], case.sent[middle:])) == case.gets
            if len(case.sent) < 200:
                assert statuses(await edge.talk(*[bytes([byte]) for byte in case.sent])) == case.gets
            await edge.settled()

    run(main())


def test_a_refusal_can_be_read_by_one_who_goes_on_sending() -> None:
    """Without lingering, the kernel would reset the connection and destroy the answer."""

    async def main() -> None:
        async with running(answering) as edge:
            for _ in range(20):
                got = await edge.talk(b"GET /\x00 HTTP/1.1\r\n\r\n" + b"a" * 30000, b"a" * 30000)
                assert statuses(got) == (400,)
            await edge.settled()

    run(main())


@pytest.mark.parametrize("sent", [CLOSING, POST])
@pytest.mark.parametrize("script", [hanging_up, resetting, shouting])
def test_a_worker_that_ends_at_once(script: object, sent: bytes) -> None:
    async def main() -> None:
        async with running(script) as edge:  # type: ignore[arg-type]
            for _ in range(20):
                # One that speaks unasked is taken for one that answers where it speaks late enough.
                assert statuses(await edge.talk(sent)) in {(502,), (200 if script is shouting else 502,)}
            await edge.settled()

    run(main())


def test_nobody_listens() -> None:
    async def main() -> None:
        async with running(answering, answering) as edge:
            edge.workers[0].port = unused_port()
            for _ in range(4):
                assert statuses(await edge.talk(POST)) == (200,)
            assert edge.workers[0].failures == 1
            await edge.settled()

    run(main())


def test_a_host_that_is_no_name_is_a_worker_that_fails() -> None:
    async def main() -> None:
        async with running(answering, answering) as edge:
            edge.workers[0].host = "a..b"
            assert statuses(await edge.talk(POST)) == (200,)
            await edge.settled()

    run(main())


def test_leaving_is_seen_by_the_worker_at_once() -> None:
    async def main() -> None:
        left = asyncio.Event()

        async def streaming(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
            try:
                await reader.read()
            except ConnectionError:
                pass
            left.set()
            writer.close()

        async with running(streaming) as edge:
            reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
            writer.write(GET)
            await reader.readuntil(b"hello\r\n")
            writer.close()
            async with asyncio.timeout(2):
                await left.wait()
            await edge.settled()
            assert [record["fault"] for record in edge.lines.records] == ["client_left"]

    run(main())


async def exchange_large(edge: Running, size: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    writer.write(b"POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size)
    await asyncio.sleep(0.05)

    async def upload() -> None:
        for _ in range(size // 65536):
            writer.write(b"a" * 65536)
            await writer.drain()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(upload())
        got = b""
        while piece := await reader.read(1024 * 1024):
            got += piece
            await asyncio.sleep(0.001)  # a reader that is slower than the worker
    writer.close()
    return got


def test_large_bodies_both_ways_with_slow_readers() -> None:
    size = 8 * 1024 * 1024

    async def main() -> None:
        async def echoing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(0.1)
            body = await reader.readexactly(size)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + body)
            await writer.drain()
            writer.close()

        async with running(echoing) as edge:
            [response] = read_responses(await exchange_large(edge, size), True)
            assert response.body == b"a" * size
            assert response.complete
            await edge.settled()

    run(main())


def test_a_reader_that_stops_is_cut_off() -> None:
    async def main() -> None:
        async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            try:
                while True:
                    writer.write(b"a" * 65536)
                    await writer.drain()
            except ConnectionError:
                writer.close()

        async with running(endless, limits=Limits(write_idle=0.5)) as edge:
            _, writer = await asyncio.open_connection("127.0.0.1", edge.port, limit=1024)
            writer.write(GET)
            await asyncio.sleep(0.2)
            assert edge.edge.clients
            await edge.settled()
            writer.close()

    run(main())


def test_a_worker_that_closes_its_resting_connections() -> None:
    """The keep-alive race itself: requests at the moment at which the worker closes."""

    async def main() -> None:
        executed: list[bytes] = []

        async def impatient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while True:
                    async with asyncio.timeout(0.05):
                        head = await reader.readuntil(b"\r\n\r\n")
                    executed.append(head.partition(b" HTTP")[0])
                    writer.write(OK)
            except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
                writer.close()

        async with running(impatient, idempotent=frozenset({b"/pure"})) as edge:
            reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
            for number in range(40):
                method = b"GET /%d" % number if number % 2 else b"POST /pure?%d" % number
                writer.write(method + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200 ")
                await reader.readexactly(2)
                await asyncio.sleep(0.048 + number % 5 / 1000)
            writer.close()
            await edge.settled()
        assert len(set(executed)) == 40

    run(main())


def test_a_broken_answer_to_a_client_that_knows_no_chunks_ends_by_a_reset() -> None:
    """A clean end would say that it is whole (RFC 9112 section 8)."""

    async def main() -> None:
        async def breaking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
            await writer.drain()
            writer.close()

        async with running(breaking) as edge:
            reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
            writer.write(b"GET /a HTTP/1.0\r\n\r\n")
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()
            await edge.settled()

    run(main())
