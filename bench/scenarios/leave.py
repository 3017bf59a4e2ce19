"""The client goes away while its answer is to come, or silent: how soon the worker is rid of the request."""

from __future__ import annotations

import asyncio
from statistics import median, quantiles
from time import monotonic_ns

from bench.asking import Asker, request
from bench.closed_loop import WrongAnswer
from bench.event_reader import MAX_HEAD
from bench.peers import Setup
from bench.scenarios.base import Column, Figures, Plan, Scenario, Target

AT_ONCE = 10
GIVE_UP_S = 1.0
"""A worker that is not rid of it by then counts as this long."""
WAYS = ("/silent", "/mute")


class Leave(Scenario):
    name = "leave"
    title = "client leaves, until the worker's connection is closed"
    peers = ("edgeproxy", "nginx", "haproxy")
    setup = Setup(streaming=True)
    columns = (
        Column("p50_ms", "p50 ms", "{:.2f}"),
        Column("p99_ms", "p99 ms", "{:.2f}"),
        Column("silent_p50_ms", "in a stream, p50 ms", "{:.2f}"),
        Column("mute_p50_ms", "before the answer, p50 ms", "{:.2f}"),
        Column("never", f"not within {GIVE_UP_S:g} s", "{:,.0f}"),
    )

    def rounds(self, plan: Plan) -> int:
        return 1

    async def measure(self, target: Target, plan: Plan) -> Figures:
        names = iter(range(plan.leaves))
        taken: dict[str, list[float]] = {way: [] for way in WAYS}

        async def leave_again() -> None:
            for number in names:
                way = WAYS[number % len(WAYS)]
                taken[way].append(await _leave(target, way, f"leave-{target.pid}-{number}"))

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(leave_again())
        return _figures(taken)


def _figures(taken: dict[str, list[float]]) -> Figures:
    every = [ms for of_way in taken.values() for ms in of_way]
    return {
        "p50_ms": median(every),
        "p99_ms": quantiles(every, n=100)[98],
        "silent_p50_ms": median(taken["/silent"]),
        "mute_p50_ms": median(taken["/mute"]),
        "never": sum(ms >= GIVE_UP_S * 1000 for ms in every),
    }


async def _leave(target: Target, way: str, identity: str) -> float:
    """Milliseconds from our close to that of the worker's connection."""
    async with Asker.opened(target.upstream_port) as control:
        left = await _ask_and_leave(target.port, way, identity, control)
        closed = await _time(control, f"GET /left/{identity}", left + int(GIVE_UP_S * 1e9))
    return (closed - left) / 1e6


async def _ask_and_leave(port: int, way: str, identity: str, control: Asker) -> int:
    """The moment, in ns, at which our connection was closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request(f"GET {way}", identity))
        await _time(control, f"GET /arrived/{identity}")
        if way == "/silent":
            await _beginning(reader)
        return monotonic_ns()
    finally:
        writer.transport.abort()


async def _beginning(reader: asyncio.StreamReader) -> None:
    async with asyncio.timeout(GIVE_UP_S):
        if not (await reader.read(MAX_HEAD)).startswith(b"HTTP/1.1 200 "):
            raise WrongAnswer("no stream to leave")


async def _time(control: Asker, question: str, otherwise: int | None = None) -> int:
    answer = await control.ask(request(question), GIVE_UP_S)
    if answer.status == 200:
        return int(answer.body)
    if otherwise is None:
        raise WrongAnswer("the request did not reach the worker")
    return otherwise
