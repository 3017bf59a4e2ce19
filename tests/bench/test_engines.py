"""The closed loop of lines, and what is said to the engines; a real Redis answers it."""

import asyncio
from collections.abc import Callable

import pytest

from bench.engines.__main__ import _line, measured
from bench.engines.asker import Line, asked
from bench.engines.engines import ENGINES, VALUE, Redis
from tests.redis import redis_program


async def answered(answer: Callable[[bytes], bytes]) -> int:
    class Server(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.transport.write(answer(data))  # type: ignore[attr-defined]

    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        return await asked(port, 0.1, lambda number: Line(b"", b"ask\r\n", b"+OK\r\n", b"-ERR"))


async def test_answers_are_counted_and_errors_are_raised() -> None:
    assert await answered(lambda said: b"+OK\r\n") > 64
    with pytest.raises(ValueError, match="no room"):
        await answered(lambda said: b"-ERR no room\r\n")


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
async def test_each_says_its_own_key(engine: Redis) -> None:
    questions = {_line(engine, number)._question for number in range(3)}
    assert len(questions) == 3


def test_a_real_redis_keeps_it() -> None:
    assert VALUE in Redis().words(1).question
    per_second, us = measured(Redis(), redis_program(), 0.2)
    assert per_second > 0
    assert us > 0
