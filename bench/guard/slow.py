"""Honest users at 200 requests a second while 4,000 connections attack slowly (`attack.py`), beside the same users in
peace: quiet and attacked by turns, each quiet run beside the attacked one that it is compared with. The edge has a core
of its own; users, backend and attackers share the other, and the attackers give way to the users. The same users
straight at the backend, in the same minute, show what that sharing costs: it is no doing of the edge."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median
from time import perf_counter

from bench.guard.edges import Place, edge, request, serving
from bench.guard.report import Line
from bench.launch import Launched
from bench.measure import pinned, read_cpu

RATE = 200
MOST_TIMES = 2.0
ROUNDS = 3
SETTLE_S = 6.0
"""Longer than the attackers need for one round of drips."""


async def measure(where: Place, seconds: float) -> list[Line]:
    backend = int(where.upstream.rpartition(":")[2])
    quiet: list[float] = []
    under: list[float] = []
    beside: list[float] = []
    shares: list[float] = []
    with edge(where, "edge-slow", {"EDGEPROXY_RATE_LIMIT": "off", "EDGEPROXY_BAN": "off"}) as attacked:
        (pid,) = serving(attacked)
        await _p99(attacked.port, 1.0)
        for _ in range(ROUNDS):
            quiet.append(await _p99(attacked.port, seconds))
            straight = await _p99(backend, seconds)
            async with _attack(where, attacked) as held:
                await asyncio.sleep(SETTLE_S)
                before, began = read_cpu(pid)[pid], perf_counter()
                under.append(await _p99(attacked.port, seconds))
                shares.append((read_cpu(pid)[pid] - before) / (perf_counter() - began))
                beside.append(await _p99(backend, seconds) / straight)
            await asyncio.sleep(1.0)
    ratio = median(b / a for a, b in zip(quiet, under, strict=True))
    return [
        Line("p99 of honest users, quiet", f"{median(quiet) * 1e3:.2f} ms"),
        Line("CPU of the attacked edge, users and attack", f"{median(shares):.1%} of a core"),
        Line("p99 straight at the backend, attacked beside quiet", f"{median(beside):.2f} x"),
        Line(
            f"p99 under {held} slow connections",
            f"{median(under) * 1e3:.2f} ms",
            f"{ratio:.2f} x",
            ratio <= MOST_TIMES,
            "guard-slow",
        ),
    ]


@asynccontextmanager
async def _attack(where: Place, edge: Launched) -> AsyncIterator[int]:
    """How many connections there are, when they are all there."""
    with pinned(where.cores.load):
        command = ["nice", "-n", "19", sys.executable, "-m", "bench.guard.attack", "--port", str(edge.port)]
        attackers = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert attackers.stdout is not None
        async with asyncio.timeout(60):
            held = int(await attackers.stdout.readline())
        yield held
    finally:
        attackers.kill()
        await attackers.wait()


async def _p99(port: int, seconds: float) -> float:
    """Of requests that are sent at their times, whether or not the last has been answered."""
    free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    taken: list[float] = []

    async def ask(due: float) -> None:
        reader, writer = free.pop() if free else await asyncio.open_connection("127.0.0.1", port)
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
