"""TLS as the loop makes it of our contexts: a server and clients in one process, over real sockets."""

from __future__ import annotations

import asyncio
import functools
import inspect
import socket
import ssl
import struct
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trustme
import uvloop

from edgeproxy.clock import Clock
from edgeproxy.net.certificates import Pair
from edgeproxy.net.connection import Connection
from edgeproxy.net.departures import Departures
from edgeproxy.net.edge import Edge
from edgeproxy.net.limits import Limits
from edgeproxy.net.tls import PLAIN_HTTP, REFUSED, UNFINISHED, ServerTls
from edgeproxy.proxy.observe import Observer
from edgeproxy.telemetry.counters import Counters
from tests.net.test_certificates import CA, ONE, TWO, chain, key

HANDSHAKE_SECONDS = 0.4
SIZE = 8_000_000  # more than the kernel takes for a peer that does not read


class Peer(asyncio.Protocol):
    """The server's side of a connection."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.watched = -1
        self.left = False
        self.lost = False

    def departed(self) -> None:
        self.left = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def connection_lost(self, _: Exception | None) -> None:
        self.lost = True


class Server:
    def __init__(self) -> None:
        self.counters = Counters()
        self.tls = ServerTls(self.counters)
        self.peers: list[Peer] = []
        self.port = 0

    def accept(self) -> Peer:
        self.peers.append(Peer())
        return self.peers[-1]

    async def connect(self, **options: Any) -> ssl.SSLObject:
        """A handshake; what it agreed on. The connection is closed."""
        _, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=trusting(**options), server_hostname=None)
        agreed: ssl.SSLObject = writer.get_extra_info("ssl_object")
        writer.close()
        await writer.wait_closed()
        return agreed

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.01)


def trusting(**options: Any) -> ssl.SSLContext:
    context = ssl.create_default_context()
    CA.configure_trust(context)
    context.check_hostname = False
    for name, value in options.items():
        setattr(context, name, value)
    return context


def pair(leaf: trustme.LeafCert) -> Pair:
    return Pair(chain(leaf), key(leaf))


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    server = Server()
    server.tls.use(pair(ONE))
    options = await server.tls.server_options(Limits(handshake=HANDSHAKE_SECONDS, write_idle=1))
    listener = await asyncio.get_running_loop().create_server(lambda: server.accept(), "127.0.0.1", 0, **options)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for peer in server.peers:
            if peer.transport is not None:
                peer.transport.abort()
        await asyncio.sleep(0.01)


def on_uvloop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run the test with a server of its own, on uvloop, since it is uvloop's TLS that is asked here."""

    async def main(arguments: dict[str, Any]) -> None:
        async with serving() as server:
            await test(server=server, **arguments)

    @functools.wraps(test)
    def run(**arguments: Any) -> None:
        with warnings.catch_warnings(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            warnings.simplefilter("ignore", ResourceWarning)  # as an error it would keep the loop from closing
            runner.run(main(arguments))

    signature = inspect.signature(test)
    given = [parameter for name, parameter in signature.parameters.items() if name != "server"]
    run.__signature__ = signature.replace(parameters=given)  # type: ignore[attr-defined]
    return run


def shown(agreed: ssl.SSLObject) -> str:
    certificate = agreed.getpeercert()
    assert certificate is not None
    return str(certificate["subjectAltName"][0][1])  # type: ignore[index]


@on_uvloop
async def test_the_loop_asks_for_a_context_at_every_connection(server: Server) -> None:
    """What reloading stands on: a pair put in place between two connections is what the second one is shown."""
    assert isinstance(asyncio.get_running_loop(), uvloop.Loop)
    assert shown(await server.connect()) == "one.test"
    server.tls.use(pair(TWO))
    assert shown(await server.connect()) == "two.test"


@on_uvloop
async def test_what_was_begun_with_the_old_pair_goes_on_with_it(server: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=trusting())
    await server.until(lambda: server.peers[0].transport is not None)
    server.tls.use(pair(TWO))
    server.peers[0].transport.write(b"still here")
    assert await reader.readexactly(10) == b"still here"
    assert shown(writer.get_extra_info("ssl_object")) == "one.test"
    writer.close()
    await writer.wait_closed()


@on_uvloop
async def test_a_handshake_under_way_ends_with_the_pair_it_began_with(server: Server) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting().wrap_bio(incoming, outgoing)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    hello = outgoing.read()
    writer.write(hello[:50])
    await server.until(lambda: bool(server.peers))
    await asyncio.sleep(0.05)
    server.tls.use(pair(TWO))
    writer.write(hello[50:])
    incoming.write(await reader.read(65536))
    client.do_handshake()
    assert shown(client) == "one.test"
    writer.close()
    await writer.wait_closed()


@on_uvloop
async def test_what_is_agreed_on(server: Server) -> None:
    agreed = await server.connect()
    assert agreed.version() == "TLSv1.3"
    older = await server.connect(maximum_version=ssl.TLSVersion.TLSv1_2)
    assert older.version() == "TLSv1.2"
    assert older.compression() is None
    assert "GCM" in older.cipher()[0]  # type: ignore[index]
    assert server.counters.faults == {}


@pytest.mark.parametrize("offer", [["h2", "http/1.1"], ["h2"], []])
@on_uvloop
async def test_http_1_1_alone_is_agreed_on(offer: list[str], server: Server) -> None:
    context = trusting()
    if offer:
        context.set_alpn_protocols(offer)
    _, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
    agreed = writer.get_extra_info("ssl_object").selected_alpn_protocol()
    assert agreed == ("http/1.1" if "http/1.1" in offer else None)
    writer.close()
    await writer.wait_closed()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
@pytest.mark.parametrize(
    ("options", "ciphers"),
    [
        ({"maximum_version": ssl.TLSVersion.TLSv1_1}, "ALL:@SECLEVEL=0"),
        ({}, "AES128-SHA"),
        ({}, "ECDHE-RSA-AES128-SHA"),
    ],
)
@on_uvloop
async def test_old_versions_and_ciphers_are_refused_and_counted(
    options: dict[str, Any], ciphers: str, server: Server
) -> None:
    context = trusting(minimum_version=ssl.TLSVersion.MINIMUM_SUPPORTED, **options)
    if not options:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(ciphers)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
    await server.until(lambda: server.counters.faults == {REFUSED: 1})


@pytest.mark.parametrize(
    "request_line", [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"POST / HTTP/1.1\r\n", b"CONNECT a:1 HTTP/1.1"]
)
@on_uvloop
async def test_plain_http_ends_at_once_and_is_counted(request_line: bytes, server: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request_line)
    async with asyncio.timeout(HANDSHAKE_SECONDS):
        assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    assert server.counters.faults == {PLAIN_HTTP: 1}
    assert server.peers[0].transport is None


@on_uvloop
async def test_other_bytes_end_at_once_and_are_counted(server: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"\x00" * 100)
    async with asyncio.timeout(HANDSHAKE_SECONDS):
        await reader.read()
    writer.close()
    await writer.wait_closed()
    assert server.counters.faults == {REFUSED: 1}


@pytest.mark.parametrize("begin", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"])
@on_uvloop
async def test_a_handshake_has_its_time(begin: bytes, server: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(begin)
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    await server.until(lambda: server.counters.faults == {UNFINISHED: 1})


@on_uvloop
async def test_a_byte_now_and_then_does_not_prolong_it(server: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    dripped = 0
    async with asyncio.timeout(5):
        while not reader.at_eof():
            writer.write(b"\x00")
            dripped += 1
            try:
                async with asyncio.timeout(0.02):
                    await reader.read(1)
            except TimeoutError:
                pass
            except ConnectionError:
                break
    assert 2 < dripped < 100
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    await server.until(lambda: server.counters.faults == {UNFINISHED: 1})


@on_uvloop
async def test_who_leaves_in_the_handshake_is_counted(server: Server) -> None:
    for linger in (0, 1):
        sock = socket.create_connection(("127.0.0.1", server.port))
        if linger:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await server.until(lambda wanted=linger + 1: len(server.peers) == wanted)  # type: ignore[misc]
        sock.close()
        await server.until(lambda wanted=linger + 1: server.counters.faults == {UNFINISHED: wanted})  # type: ignore[misc]


@on_uvloop
async def test_an_abort_is_at_once(server: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=trusting())
    peer = server.peers[0]
    await server.until(lambda: peer.transport is not None)
    peer.transport.write(b"x" * SIZE)
    peer.transport.abort()
    await asyncio.sleep(0)
    await server.until(lambda: peer.lost)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(SIZE)
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)


@on_uvloop
async def test_a_peer_that_has_left_behind_unsent_bytes_is_seen(server: Server) -> None:
    """uvloop keeps the connection, and drops what is written to it, until bytes are sent that nobody reads."""
    loop = asyncio.get_running_loop()
    departures = Departures(loop)
    sock = socket.create_connection(("127.0.0.1", server.port))
    client = await loop.run_in_executor(None, lambda: trusting().wrap_socket(sock))
    await server.until(lambda: bool(server.peers) and server.peers[0].transport is not None)
    peer = server.peers[0]
    departures.watch(peer)
    peer.transport.write(b"x" * SIZE)
    raw = socket.socket(fileno=client.detach())
    raw.shutdown(socket.SHUT_WR)
    await server.until(lambda: peer.left)
    assert not peer.lost
    peer.transport.abort()
    await server.until(lambda: peer.lost)
    departures.forget(peer)
    departures.close()
    raw.close()


class Closing(Connection):
    """One of ours, on a transport of the loop's."""

    lost = False

    def connection_made(self, transport: Any) -> None:
        self.attach(transport)

    def connection_lost(self, _: Exception | None) -> None:
        self.lost = True

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        self.note_unwritable()

    def resume_writing(self) -> None:
        self.note_writable()


LINGER = Limits().linger


def closing(server: Server, **limits: float) -> Closing:
    observer = Observer(server.counters, None, Clock(asyncio.get_running_loop().time))
    nothing: Any = None
    edge = Edge(asyncio.get_running_loop(), nothing, Limits(**limits), observer, nothing, nothing, server.tls)  # type: ignore[arg-type]
    connection = Closing(edge)
    server.peers.append(connection)  # type: ignore[arg-type]
    server.accept = lambda: connection  # type: ignore[method-assign,assignment,return-value]
    return connection


@on_uvloop
async def test_a_close_waits_for_the_last_bytes_and_not_for_a_close_notify(server: Server) -> None:
    connection = closing(server, write_idle=60)
    loop = asyncio.get_running_loop()
    sock = socket.create_connection(("127.0.0.1", server.port))
    client = await loop.run_in_executor(None, lambda: trusting().wrap_socket(sock, suppress_ragged_eofs=False))
    await server.until(lambda: connection.transport is not None)
    connection.write(b"x" * SIZE)
    connection.close()
    now = loop.time()
    for _ in range(5):  # sweeps that find it overdue
        now += LINGER
        assert connection.write_deadline <= now
        connection.closing_due(now)
        await asyncio.sleep(0.01)
        assert now < connection.write_deadline <= now + LINGER
    assert not connection.lost
    assert await loop.run_in_executor(None, lambda: receive(client)) == SIZE  # and a close_notify
    assert not connection.lost
    connection.closing_due(now + LINGER)  # all has been read, and the peer does not answer
    await server.until(lambda: connection.lost)
    client.close()


@on_uvloop
async def test_a_close_does_not_wait_for_ever_for_a_reader(server: Server) -> None:
    connection = closing(server, write_idle=60)
    loop = asyncio.get_running_loop()
    sock = socket.create_connection(("127.0.0.1", server.port))
    client = await loop.run_in_executor(None, lambda: trusting().wrap_socket(sock))
    await server.until(lambda: connection.transport is not None)
    connection.write(b"x" * SIZE)
    connection.close()
    connection.closing_due(loop.time() + 59)
    await asyncio.sleep(0.05)
    assert not connection.lost
    connection.closing_due(loop.time() + 61)
    await server.until(lambda: connection.lost)
    client.close()


def receive(client: ssl.SSLSocket) -> int:
    total = 0
    while data := client.recv(1_000_000):
        total += len(data)
    return total
