"""Many event streams at once: how much later events arrive than without a proxy, and what a stream weighs."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from statistics import quantiles

from bench.backend.events import PER_SECOND
from bench.event_reader import Readers, reading
from bench.measure import read_cpu, read_memory, spent
from bench.peers import Setup
from bench.scenarios.base import KIB, Column, Figures, Plan, Scenario, Target

DIRECT = 0.1
"""Streams that go past the proxy at the same time, as a share of those through it: what load and backend add."""
SETTLE_S = 0.5


class Streams(Scenario):
    name = "stream"
    title = f"event streams, {PER_SECOND} events a second each"
    peers = ("edgeproxy", "nginx", "haproxy")
    setup = Setup(streaming=True)
    compared = "cpu_us"
    columns = (
        Column("added_p99_ms", "added p99 ms", "{:.2f}"),
        Column("p50_ms", "p50 ms", "{:.2f}"),
        Column("p99_ms", "p99 ms", "{:.2f}"),
        Column("direct_p99_ms", "direct p99 ms", "{:.2f}"),
        Column("kib", "KiB/stream"),
        Column("cpu_us", "CPU us/event"),
        Column("events_per_s", "events/s", "{:,.0f}"),
        Column("busy", "core busy", "{:.0%}"),
    )

    async def measure(self, target: Target, plan: Plan) -> Figures:
        async with AsyncExitStack() as stack:
            through = await stack.enter_async_context(reading(plan.streams, target.port))
            direct = await stack.enter_async_context(reading(round(plan.streams * DIRECT), target.upstream_port))
            await asyncio.sleep(SETTLE_S)
            before = read_cpu(target.pid)
            through.begin()
            direct.begin()
            await asyncio.sleep(plan.stream_s)
            found = _latency(through, direct)
            cpu_s = sum(spent(before, read_cpu(target.pid)).values())
            events = len(through.delays_ns)
            memory = read_memory(target.pid) - target.resting
        return {
            **found,
            "streams": plan.streams,
            "kib": memory / plan.streams / KIB,
            "cpu_us": cpu_s / events * 1e6,
            "events_per_s": events / plan.stream_s,
            "busy": cpu_s / plan.stream_s,
        }


def _latency(through: Readers, direct: Readers) -> dict[str, float]:
    """Milliseconds from the stamp that the backend gave an event to its arrival. Raises WrongAnswer."""
    proxied, plain = (_percentiles_ms(readers.end()) for readers in (through, direct))
    return {
        "p50_ms": proxied[49],
        "p99_ms": proxied[98],
        "direct_p50_ms": plain[49],
        "direct_p99_ms": plain[98],
        "added_p99_ms": proxied[98] - plain[98],
    }


def _percentiles_ms(delays_ns: list[int]) -> list[float]:
    return [delay / 1e6 for delay in quantiles(delays_ns, n=100)]
