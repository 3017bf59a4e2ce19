"""One kind of request in a closed loop: what it costs, and how many there can be."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.backend import payload
from bench.closed_loop import Count, connected
from bench.measure import Meter, Usage
from bench.peers import API_KEY, Setup
from bench.scenarios.base import MIB, Column, Figures, Plan, Scenario, Target

_FIELDS = (
    b" HTTP/1.1\r\n"
    b"Host: edge.example\r\n"
    b"User-Agent: bench/1 (closed loop)\r\n"
    b"Accept: application/json, */*;q=0.5\r\n"
    b"Accept-Encoding: gzip, deflate, br\r\n"
    b"Accept-Language: en-GB,en;q=0.8\r\n"
    b"Authorization: Bearer " + API_KEY.encode() + b"\r\n"
)


@dataclass(frozen=True)
class Rate(Scenario):
    """Requests over `connections` keep-alive connections.

    `download` and `upload` are body sizes in bytes; an upload is answered with its size in digits.
    """

    name: str
    title: str
    peers: tuple[str, ...]
    connections: int
    download: int = 0
    upload: int = 0
    setup: Setup = field(default_factory=Setup)
    by_default: bool = True
    curve: tuple[str, float] | None = None

    compared = "cpu_us"
    columns = (
        Column("cpu_us", "CPU us/request"),
        Column("serving_us", "serving process"),
        Column("requests_per_s", "requests/s", "{:,.0f}"),
        Column("mib_per_s", "MiB/s"),
        Column("busy", "core busy", "{:.0%}"),
        Column("others", "others", "{:.0%}"),
    )

    def rounds(self, plan: Plan) -> int:
        return plan.curve_rounds if self.curve else plan.rounds

    def request(self) -> bytes:
        """The whole request, body included: a head of the size that an API client sends."""
        path = b"GET /cached/%d" if self.setup.cache else b"GET /bytes/%d"
        start = b"POST /upload" if self.upload else path % self.download
        framing = b"Content-Length: %d\r\n" % self.upload if self.upload else b""
        return start + _FIELDS + framing + b"\r\n" + payload(self.upload)

    def answer(self) -> bytes:
        """The body that must come back, byte for byte."""
        return b"%d" % self.upload if self.upload else payload(self.download)

    async def measure(self, target: Target, plan: Plan) -> Figures:
        async with connected(self.request(), self.answer(), self.connections, target.port, target.tls) as load:
            await load.run(plan.warmup_s)
            meter = Meter(target.pid)
            count = await load.run(plan.curve_round_s if self.curve else plan.round_s)
            return self.figures(count, meter.read())

    def figures(self, count: Count, usage: Usage) -> Figures:
        requests, rate = count.requests, count.requests / usage.elapsed_s
        return {
            "requests": requests,
            "reconnects": count.reconnects,
            "elapsed_s": usage.elapsed_s,
            "cpu_us": usage.total_s / requests * 1e6,
            "serving_us": max(usage.cpu_s.values()) / requests * 1e6,
            "requests_per_s": rate,
            "mib_per_s": (self.upload or self.download) * rate / MIB,
            "busy": usage.total_s / usage.elapsed_s,
            "others": usage.others,
        }
