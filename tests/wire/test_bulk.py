"""Large bodies from socket to socket: the same rules as for bytes that pass through the process."""

from __future__ import annotations

import asyncio
import select
import socket
import struct

import pytest

from edgeproxy.clock import FOREVER
from edgeproxy.net.bulk import BULK_BYTES
from edgeproxy.net.limits import Limits
from tests.wire.reading import read_responses
from tests.wire.sockets import Script, run, running

SIZE = 16 * BULK_BYTES
GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
CLOSING = b"GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % SIZE
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def serving(said: bytes, *, ends: bool = False) -> Script:
    """Says this to every request."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(said)
                await writer.drain()
                if ends:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    return script


async def taking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes a large body, and small requests."""
    try:
        while True:
            if (await reader.readuntil(b"\r\n\r\n")).startswith(b"POST"):
                await reader.readexactly(SIZE)
            writer.write(OK)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def test_a_body_that_ends_too_early() -> None:
    async def main() -> None:
        async with running(serving(HEAD + b"a" * (SIZE - 1), ends=True)) as edge:
            [response] = read_responses(await edge.talk(GET), True)
            assert (len(response.body), response.complete) == (SIZE - 1, False)
            await edge.settled()
            assert [record["fault"] for record in edge.lines.records] == ["upstream_truncated"]
            assert edge.lines.records[0]["response_bytes"] == SIZE - 1

    run(main())


def test_requests_behind_a_large_answer() -> None:
    async def main() -> None:
        async with running(serving(HEAD + b"a" * SIZE)) as edge:
            responses = read_responses(await edge.talk(GET + GET + CLOSING), True)
            assert [len(response.body) for response in responses] == [SIZE] * 3
            await edge.settled()

    run(main())


def test_requests_behind_a_large_body() -> None:
    async def main() -> None:
        async with running(taking) as edge:
            got = await edge.talk(POST, *[b"a" * (SIZE // 16)] * 16, POST + b"a" * SIZE + CLOSING)
            assert [response.status for response in read_responses(got, True)] == [200] * 3
            await edge.settled()
            assert [record["request_bytes"] for record in edge.lines.records] == [SIZE, SIZE, 0]

    run(main())


def test_bytes_behind_a_large_answer_answer_nobody() -> None:
    """A worker that says more than it was asked must not be understood as the answer to the next request."""

    async def main() -> None:
        async with running(serving(HEAD + b"a" * SIZE + OK)) as edge:
            responses = read_responses(await edge.talk(GET + CLOSING), True)
            assert [len(response.body) for response in responses] == [SIZE] * 2
            await edge.settled()

    run(main())


@pytest.mark.parametrize("read", [1, SIZE // 2])
def test_leaving_in_a_large_answer(read: int) -> None:
    async def main() -> None:
        left = asyncio.Event()

        async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n")
            try:
                while True:
                    writer.write(b"a" * 65536)
                    await writer.drain()
            except ConnectionError:
                left.set()
                writer.close()

        async with running(endless) as edge:
            reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
            writer.write(GET)
            await reader.readexactly(read)
            writer.close()
            async with asyncio.timeout(5):
                await left.wait()
            await edge.settled()
            assert [record["fault"] for record in edge.lines.records] == ["client_left"]
            assert edge.workers[0].failures == 0

    run(main())


def test_leaving_in_a_large_body() -> None:
    async def main() -> None:
        left = asyncio.Event()

        async def patient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while await reader.read(65536):
                    pass
            except ConnectionError:
                pass
            left.set()
            writer.close()

        async with running(patient) as edge:
            _, writer = await asyncio.open_connection("127.0.0.1", edge.port)
            writer.write(POST + b"a" * 100000)
            await writer.drain()
            await asyncio.sleep(0.1)
            writer.write(b"a" * (SIZE // 2))
            await writer.drain()
            await asyncio.sleep(0.1)
            writer.close()
            async with asyncio.timeout(5):
                await left.wait()
            await edge.settled()
            assert [record["fault"] for record in edge.lines.records] == ["client_left"]

    run(main())


@pytest.mark.parametrize("framing", [b"Content-Length: 100000000", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize("reset", [False, True])
def test_leaving_a_worker_that_does_not_read(framing: bytes, reset: bool) -> None:
    """Nobody reads the client either then, so its end stands behind bytes that wait in the kernel."""

    async def main() -> None:
        left = asyncio.Event()

        async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            while not writer.transport.is_closing() and not departed(writer):
                await asyncio.sleep(0.01)
            left.set()

        async with running(deaf) as edge:
            sock = socket.create_connection(("127.0.0.1", edge.port))
            sock.setblocking(False)
            sock.sendall(b"POST /a HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n\r\n")
            await asyncio.sleep(0.05)
            [client] = edge.edge.clients
            while client.read_deadline < FOREVER:  # until the worker takes no more
                sock.sendall(b"4000\r\n" + b"a" * 16384 + b"\r\n")
                await asyncio.sleep(0.001)
            assert not left.is_set()
            if reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
            async with asyncio.timeout(1):
                await left.wait()
            await edge.settled()
            assert [record["fault"] for record in edge.lines.records] == ["client_left"]
            assert edge.workers[0].failures == 0

    run(main())


def departed(writer: asyncio.StreamWriter) -> bool:
    poll = select.poll()
    poll.register(writer.get_extra_info("socket").fileno(), select.POLLRDHUP)
    return bool(poll.poll(0))


def test_an_early_answer_to_a_large_body() -> None:
    async def main() -> None:
        async def refusing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readexactly(200000)
            writer.write(b"HTTP/1.1 413 x\r\nContent-Length: 2\r\n\r\nno")
            await asyncio.sleep(0.5)
            writer.close()

        async with running(refusing) as edge:
            reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
            writer.write(POST + b"a" * 100000)
            await asyncio.sleep(0.1)
            writer.write(b"a" * 500000)
            [response] = read_responses(await reader.read(65536), False)
            assert (response.status, response.body, response.value(b"connection")) == (413, b"no", b"close")
            writer.close()
            await edge.settled()

    run(main())


def test_a_reader_of_a_large_answer_that_stops() -> None:
    async def main() -> None:
        size = 32 * SIZE  # more than the sockets between them hold
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
        async with running(serving(head + bytes(size)), limits=Limits(write_idle=0.5)) as edge:
            _, writer = await asyncio.open_connection("127.0.0.1", edge.port, limit=1024)
            writer.write(GET)
            await asyncio.sleep(0.2)
            await edge.settled()
            writer.close()

    run(main())


def test_a_large_answer_that_stops() -> None:
    async def main() -> None:
        async def stopping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(HEAD + b"a" * (SIZE // 2))
            await reader.read()
            writer.close()

        async with running(stopping, limits=Limits(stream_idle=0.5)) as edge:
            [response] = read_responses(await edge.talk(GET), True)
            assert not response.complete
            await edge.settled()
            assert [record["fault"] for record in edge.lines.records] == ["upstream_stalled"]

    run(main())


def test_a_large_body_that_stops() -> None:
    async def main() -> None:
        async with running(taking, limits=Limits(body_idle=0.5)) as edge:
            [response] = read_responses(await edge.talk(POST + b"a" * 100000, b"a" * (SIZE // 2)), True)
            assert response.status == 408
            await edge.settled()

    run(main())
