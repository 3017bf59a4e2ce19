"""Many event streams at once: how much later events arrive than without a proxy, and what a stream weighs."""

from __future__ import annotations

import json
from dataclasses import astuple

from bench.asking import PATIENCE_S, Asker, request
from bench.backend.events import PER_SECOND
from bench.closed_loop import WrongAnswer
from bench.event_reader import OPEN_S, Watch
from bench.peers import Setup
from bench.scenarios.base import KIB, Column, Figures, Plan, Scenario, Target


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
        Column("others", "others", "{:.0%}"),
    )

    async def measure(self, target: Target, plan: Plan) -> Figures:
        found = await _watched(target.upstream_port, Watch(target.port, target.pid, plan.streams, plan.stream_s))
        events, cpu_s = found["events"], found["cpu_s"]
        return {
            **found,
            "streams": plan.streams,
            "added_p99_ms": found["p99_ms"] - found["direct_p99_ms"],
            "kib": (found["memory"] - target.resting) / plan.streams / KIB,
            "cpu_us": cpu_s / events * 1e6,
            "events_per_s": events / plan.stream_s,
            "busy": cpu_s / plan.stream_s,
        }


async def _watched(backend_port: int, wanted: Watch) -> dict[str, float]:
    question = request("GET /watch/" + "/".join(map(str, astuple(wanted))))
    async with Asker.opened(backend_port) as control:
        answer = await control.ask(question, wanted.seconds + 2 * OPEN_S + PATIENCE_S)
    if answer.status != 200:
        raise WrongAnswer("the backend did not say what its readers saw")
    found: dict[str, float] = json.loads(answer.body)
    if "error" in found:
        raise WrongAnswer(str(found["error"]))
    return found
