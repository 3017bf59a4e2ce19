"""Requests at a fixed rate, as independent users send them: how long each takes from the moment at which it was due."""

from __future__ import annotations

from bench.measure import Meter
from bench.open_loop import OpenLoop, percentiles_ms
from bench.peers import Setup
from bench.scenarios.base import KIB, Column, Figures, Plan, Scenario, Target
from bench.scenarios.rate import Rate

MOST = 256
"""Connections: as many as are ever needed at once, unless the peer stalls."""
BEFORE_S = 0.5
GET = Rate("", "", (), connections=1, download=KIB)


class Latency(Scenario):
    name = "latency"
    title = "1 KiB GET at a fixed rate, random arrivals"
    peers = ("edgeproxy", "nginx", "haproxy", "caddy", "envoy")
    setup = Setup()
    compared = "p99"
    columns = (
        Column("p50", "p50 ms", "{:.2f}"),
        Column("p90", "p90 ms", "{:.2f}"),
        Column("p99", "p99 ms", "{:.2f}"),
        Column("p99.9", "p99.9 ms", "{:.2f}"),
        Column("late_p99", "load late, p99 ms", "{:.2f}"),
        Column("cpu_us", "CPU us/request"),
        Column("requests_per_s", "requests/s", "{:,.0f}"),
        Column("others", "others", "{:.0%}"),
    )

    async def measure(self, target: Target, plan: Plan) -> Figures:
        loop = OpenLoop(GET.request(), GET.answer(), plan.rate, MOST, target.port)
        try:
            await loop.run(BEFORE_S, "random")
            loop.begin_anew()
            meter = Meter(target.pid)
            found = await loop.run(plan.stream_s, "random")
            usage = meter.read()
        finally:
            loop.close()
        return {
            **percentiles_ms(found.latency),
            "late_p99": percentiles_ms(found.late)["p99"],
            "cpu_us": usage.total_s / found.requests * 1e6,
            "requests_per_s": found.requests / usage.elapsed_s,
            "others": usage.others,
        }
