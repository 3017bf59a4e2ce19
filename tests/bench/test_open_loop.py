"""The open loop against servers whose stalls are known, and the closed loop that does not see them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

import pytest

from bench.backend import ok, payload
from bench.closed_loop import WrongAnswer, connected
from bench.open_loop import Latencies, OpenLoop, percentiles_ms

REQUEST = b"GET /bytes/100 HTTP/1.1\r\nHost: a\r\n\r\n"
RIGHT = ok(payload(100))
PERIOD_S, STALL_S = 0.5, 0.1


class Stalling(asyncio.Protocol):
    """Answers at once, but in the first STALL_S of each period: then when that is over."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        into = loop.time() % PERIOD_S
        if into < STALL_S:
            loop.call_later(STALL_S - into, self.answer)
        else:
            self.answer()

    def answer(self) -> None:
        self.transport.write(RIGHT)


class Saying(Stalling):
    said = RIGHT

    def data_received(self, data: bytes) -> None:
        self.transport.write(self.said)


class Last(Saying):
    said = RIGHT.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)


class Wrong(Saying):
    said = RIGHT.replace(b"200 OK", b"503 Busy")


@asynccontextmanager
async def listening(factory: Callable[[], asyncio.Protocol]) -> AsyncIterator[int]:
    server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def loaded(
    factory: Callable[[], asyncio.Protocol], rate: float, seconds: float, most: int = 100, **how: str
) -> Latencies:
    async with listening(factory) as port:
        loop = OpenLoop(REQUEST, payload(100), rate, most, port)
        try:
            return await loop.run(seconds, **how)  # type: ignore[arg-type]
        finally:
            loop.close()
            await asyncio.sleep(0.01)


async def test_a_known_stall_is_in_the_percentiles_where_it_must_be() -> None:
    """A fifth of the time stalls, so a fifth of the requests wait, evenly between nothing and all of it."""
    found = percentiles_ms((await loaded(Stalling, 400, 4 * PERIOD_S)).latency)
    assert found["p50"] < 25
    assert found["p90"] == pytest.approx(50, abs=25)
    assert found["p95"] == pytest.approx(75, abs=25)
    assert found["p100"] == pytest.approx(100, abs=30)


async def test_one_connection_alone_delays_what_is_due_meanwhile_and_that_counts() -> None:
    found = await loaded(Stalling, 400, 4 * PERIOD_S, most=1)
    latency, service = percentiles_ms(found.latency), percentiles_ms(found.service)
    assert latency["p90"] == pytest.approx(50, abs=30)
    assert service["p90"] < 25  # all that a closed loop would see


async def test_the_closed_loop_leaves_the_stall_out() -> None:
    async with listening(Stalling) as port, connected(REQUEST, payload(100), 1, port) as load:
        count = await load.run(4 * PERIOD_S)
    assert count.requests > 1000  # of which four have waited: far less than one in a hundred


@pytest.mark.parametrize("arrivals", ["even", "random"])
async def test_the_rate_holds_and_every_request_is_answered(arrivals: str) -> None:
    found = await loaded(Saying, 500, 0.6, arrivals=arrivals)
    assert (
        found.requests == found.latency.get_total_count() == pytest.approx(300, rel=0.01 if arrivals == "even" else 0.3)
    )


async def test_connections_that_end_as_announced_are_replaced() -> None:
    assert (await loaded(Last, 200, 0.3, most=5)).requests == pytest.approx(60, abs=1)


async def test_a_wrong_answer_ends_it() -> None:
    with pytest.raises(WrongAnswer, match="503 Busy"):
        await loaded(Wrong, 200, 0.3)


async def test_nobody_there_ends_it() -> None:
    async with listening(Saying) as port:
        pass
    with pytest.raises(WrongAnswer, match="no connection"):
        await OpenLoop(REQUEST, payload(100), 100, 5, port).run(0.2)
