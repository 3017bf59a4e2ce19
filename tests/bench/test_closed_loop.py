"""The load: it counts what was answered, and nothing that is wrong gets past it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import cast

import pytest

from bench import certificate
from bench.backend import Backend, House, ok, payload
from bench.closed_loop import MAX_HEAD, Load, WrongAnswer, connected
from bench.scenarios import SCENARIOS
from bench.scenarios.rate import Rate

CONNECTIONS = 3
RATES = {name: scenario for name, scenario in SCENARIOS.items() if isinstance(scenario, Rate)}
RIGHT = ok(payload(100))


def small(port: int) -> AbstractAsyncContextManager[Load]:
    return connected(b"GET /bytes/100 HTTP/1.1\r\nHost: a\r\n\r\n", payload(100), CONNECTIONS, port)


def backend() -> Backend:
    return Backend(House())


@asynccontextmanager
async def listening(factory: Callable[[], asyncio.Protocol], tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


class Scripted(asyncio.Protocol):
    """Answers every request with the same pieces, a turn of the loop apart; None closes."""

    def __init__(self, *pieces: bytes | None) -> None:
        self.pieces = pieces

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._send(list(self.pieces))

    def _send(self, pieces: list[bytes | None]) -> None:
        if not pieces or self.transport.is_closing():
            return
        if pieces[0] is None:
            self.transport.close()
        else:
            self.transport.write(pieces[0])
            asyncio.get_running_loop().call_later(0.001, self._send, pieces[1:])


@pytest.mark.parametrize("scenario", RATES.values(), ids=RATES)
async def test_every_rate_is_answered_by_the_backend(scenario: Rate) -> None:
    load_of = (scenario.request(), scenario.answer(), scenario.connections)
    async with listening(backend) as port, connected(*load_of, port) as load:
        count = await load.run(0.01)
    assert count.requests >= scenario.connections
    assert count.elapsed_s >= 0.01


async def test_it_counts_what_the_backend_saw_and_leaves_nothing_in_flight() -> None:
    seen = 0

    class Counting(Backend):
        def data_received(self, data: bytes) -> None:
            nonlocal seen
            seen += data.count(b"\r\n\r\n")
            super().data_received(data)

    async with listening(lambda: Counting(House())) as port, small(port) as load:
        first = await load.run(0.02)
        assert first.requests == seen
        second = await load.run(0.02)
        assert first.requests + second.requests == seen


async def test_an_answer_may_come_in_pieces() -> None:
    cuts = (0, 1, 20, RIGHT.find(b"\r\n\r\n") + 2, RIGHT.find(b"\r\n\r\n") + 4, len(RIGHT) - 1, len(RIGHT))
    pieces = [RIGHT[a:b] for a, b in pairwise(cuts)]
    async with listening(lambda: Scripted(*pieces)) as port, small(port) as load:
        count = await load.run(0.0)
    assert count.requests == CONNECTIONS


LAST = RIGHT.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)


@pytest.mark.parametrize("pieces", [[LAST, None], [LAST[:30], LAST[30:], None]])
async def test_a_connection_that_ends_as_its_answer_says_is_made_anew(pieces: list[bytes | None]) -> None:
    made = 0

    def scripted() -> Scripted:
        nonlocal made
        made += 1
        return Scripted(*pieces)

    async with listening(scripted) as port, small(port) as load:
        first = await load.run(0.05)
        assert first.requests == first.reconnects > CONNECTIONS
        second = await load.run(0.0)
        assert second.requests == second.reconnects == CONNECTIONS
        assert made == first.reconnects + second.reconnects + CONNECTIONS


async def test_nobody_there_any_more_fails_the_run() -> None:
    async with listening(lambda: Scripted(LAST, None)) as port:
        load = small(port)
        opened = await load.__aenter__()
    with pytest.raises(WrongAnswer, match="no new connection"):
        await opened.run(0.0)
    await load.__aexit__(None, None, None)


@pytest.mark.parametrize(
    ("pieces", "why"),
    [
        ([ok(payload(99))], "Content-Length is 99, not 100"),
        ([RIGHT.replace(b"Content-Length: 100", b"Transfer-Encoding: chunked")], "Content-Length is missing"),
        ([RIGHT[:-1], None], "closed by the peer"),
        ([RIGHT[:-1] + b"x"], "wrong body"),
        ([RIGHT + b"x"], "wrong body"),
        ([ok(bytes(100))], "wrong body after byte 0"),
        ([RIGHT.replace(b"200 OK", b"502 Bad Gateway")], "HTTP/1.1 502 Bad Gateway"),
        ([b"HTTP/1.1 200 OK\r\nX: " + b"x" * MAX_HEAD], "no end of the head"),
        ([None], "closed by the peer"),
        ([RIGHT[:50]], "answers were still missing"),
    ],
)
async def test_a_wrong_answer_fails_the_run(pieces: list[bytes | None], why: str) -> None:
    async with listening(lambda: Scripted(*pieces)) as port, small(port) as load:
        with pytest.raises(WrongAnswer, match=why):
            await load.run(0.0, drain_s=0.2)


@pytest.mark.parametrize(("extra", "why"), [(RIGHT, "nobody asked"), (None, "closed by the peer")])
async def test_what_happens_between_two_runs_fails_the_next(extra: bytes | None, why: str) -> None:
    async with listening(lambda: Scripted(RIGHT, extra)) as port, small(port) as load:
        await load.run(0.0)
        await asyncio.sleep(0.05)
        with pytest.raises(WrongAnswer, match=why):
            await load.run(0.0)


async def test_nobody_there_is_an_error_of_its_own() -> None:
    async with listening(backend) as port:
        pass
    with pytest.raises(OSError, match=str(port)):
        async with small(port):
            pass


async def test_the_load_speaks_tls_and_believes_one_certificate(tmp_path: Path) -> None:
    made = certificate.make(tmp_path)
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.load_cert_chain(made.both)
    request = b"GET /bytes/100 HTTP/1.1\r\n\r\n"
    async with listening(backend, served) as port:
        async with connected(request, payload(100), CONNECTIONS, port, made.trusted()) as load:
            assert (await load.run(0.0)).requests >= CONNECTIONS
        with pytest.raises(ssl.SSLCertVerificationError):
            async with connected(request, payload(100), 1, port, ssl.create_default_context()):
                pass
