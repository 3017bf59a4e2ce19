"""Honest users at 200 requests a second while 4,000 connections attack slowly: heads and bodies that drip, answers
that nobody reads. The attackers are a process of their own, and behave as one that knows our deadlines."""

from __future__ import annotations

import argparse
import asyncio
import sys
from time import perf_counter

import uvloop

from bench.guard.edges import Place, edge, request
from bench.guard.report import Line
from bench.launch import Launched
from bench.measure import pinned, raise_descriptor_limit

CONNECTIONS = 4000
RATE = 200
MOST_TIMES = 2.0
DRIP_S = 1.0
PACE_S = 0.01
SETTLE_S = 3.0


async def measure(where: Place, seconds: float) -> list[Line]:
    with edge(where, "edge-slow", {"EDGEPROXY_RATE_LIMIT": "off", "EDGEPROXY_BAN": "off"}) as attacked:
        quiet = await _p99(attacked, seconds)
        with pinned(where.cores.load):
            command = ["nice", "-n", "10", sys.executable, "-m", "bench.guard.slow", "--port", str(attacked.port)]
            attackers = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        try:
            assert attackers.stdout is not None
            async with asyncio.timeout(60):
                held = int(await attackers.stdout.readline())
            await asyncio.sleep(SETTLE_S)
            under = await _p99(attacked, seconds)
        finally:
            attackers.kill()
            await attackers.wait()
    ratio = under / quiet
    return [
        Line("p99 of honest users, quiet", f"{quiet * 1e3:.2f} ms"),
        Line(f"p99 under {held} slow connections", f"{under * 1e3:.2f} ms", f"{ratio:.2f} x", ratio <= MOST_TIMES),
    ]


async def _p99(edge: Launched, seconds: float) -> float:
    """Of requests that are sent at their times, whether or not the last has been answered."""
    free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    taken: list[float] = []

    async def ask(due: float) -> None:
        reader, writer = free.pop() if free else await asyncio.open_connection("127.0.0.1", edge.port)
        writer.write(request())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head[:20]
        await reader.readexactly(1024)
        taken.append(perf_counter() - due)
        free.append((reader, writer))

    began = perf_counter()
    async with asyncio.timeout(seconds + 30), asyncio.TaskGroup() as group:
        for number in range(int(seconds * RATE)):
            due = began + number / RATE
            await asyncio.sleep(max(0.0, due - perf_counter()))
            group.create_task(ask(due))
    for _, writer in free:
        writer.close()
    return sorted(taken)[int(len(taken) * 0.99)]


async def attack(port: int) -> None:
    """A third of each kind; one that is thrown out comes again."""
    loop = asyncio.get_running_loop()
    held: list[asyncio.StreamWriter] = []
    for number in range(CONNECTIONS):
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
        writer.write(_OPENINGS[number % 3])
        if number % 3 == 2:
            writer.transport.pause_reading()  # type: ignore[attr-defined]
        held.append(writer)
    print(len(held), flush=True)
    until = loop.time() + 300
    batch = max(1, int(CONNECTIONS * PACE_S / DRIP_S))  # evenly, or we would keep the users' core for ourselves
    at = 0
    while loop.time() < until:
        await asyncio.sleep(PACE_S)
        for number in range(at, min(at + batch, CONNECTIONS)):
            await _drip(held, number, port)
        at = (at + batch) % CONNECTIONS


async def _drip(held: list[asyncio.StreamWriter], number: int, port: int) -> None:
    writer = held[number]
    if writer.transport.is_closing():
        _, held[number] = await asyncio.open_connection("127.0.0.1", port, limit=1)
        held[number].write(_OPENINGS[number % 3])
    elif number % 3 != 2:
        writer.write(b"x")


_OPENINGS = (
    b"GET / HTTP/1.1\r\nHost: bench\r\nX-Slow: ",
    b"POST /service/ner/echo HTTP/1.1\r\nHost: bench\r\nContent-Length: 1000000\r\n\r\n",
    b"GET /service/ner/bytes/10485760 HTTP/1.1\r\nHost: bench\r\n\r\n",
)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.guard.slow")
    parser.add_argument("--port", type=int, required=True)
    raise_descriptor_limit()
    uvloop.run(attack(parser.parse_args().port))
