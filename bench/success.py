"""`python -m bench success`: what the design promised of the edge tier, as a table.

A coordinator serves machines of three regions that register, beat and leave, fifty times as often as ten workers
would. What leaves the machine is seen from outside: every connection of the coordinator's processes is looked at.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

import psutil
import typer
from rich.table import Table

from bench import results
from bench.measure import Meter, ProcessEnded
from bench.rounds import console
from bench.users import REGIONS
from bench.users.command import progress
from bench.users.run import Load, run, serving

LOAD = Load(users=10, seconds=15)
REGISTER = "/api/worker/register"


@dataclass(slots=True)
class Watched:
    """What was seen of a process tree while it served."""

    pid: int
    outside: set[str] = field(default_factory=set)
    regions: set[str] = field(default_factory=set)

    def look(self, url: str) -> None:
        self.outside |= set(_outside(self.pid))
        self.regions |= set(_regions(url))


def main() -> None:
    """The success metrics of the edge tier, measured. Exit code 1 where one is missed."""
    found = measured()
    shown = Table(title="success metrics", title_justify="left")
    for heading in ("metric", "measured", ""):
        shown.add_column(heading)
    texts = {goal.name: goal.text for goal in results.goals()}
    for outcome in found:
        shown.add_row(texts[outcome.goal], outcome.measured, "met" if outcome.met else "missed")
    console.print(shown)
    results.leave_outcomes("success", found)
    if not all(outcome.met for outcome in found):
        raise typer.Exit(1)


def measured(load: Load = LOAD) -> list[results.Outcome]:
    with progress("success", load.seconds) as tick, serving("machines", tick) as (url, pid):
        watched, meter = Watched(pid), Meter(pid)

        def look(doing: str) -> None:
            tick(doing)
            watched.look(url)

        found = run("machines", load, url, look)
        usage = meter.read()
    return list(_outcomes(found, watched, usage.total_s / usage.elapsed_s))


def _outcomes(found: dict[str, Any], watched: Watched, busy: float) -> Iterator[results.Outcome]:
    register = next((one for one in found["requests"] if one["name"] == REGISTER), None)
    requests = sum(one["count"] for one in found["requests"])
    outside = ", ".join(sorted(watched.outside)) or "no connection to anything outside"
    none = not watched.outside
    yield results.Outcome("success-writes", f"0 writes in {requests} messages: {outside}" if none else outside, none)
    p95 = register["ms"]["p95"] if register else None
    yield results.Outcome("success-registration", f"p95 {p95} ms", p95 is not None and p95 < 100)
    regions = sorted(watched.regions)
    yield results.Outcome("success-regions", f"{len(regions)}: {', '.join(regions)}", len(regions) >= 3)
    rate = requests / LOAD.seconds
    yield results.Outcome("success-primary", f"{busy:.1%} of a core at {rate:.0f} messages a second", busy < 0.2)
    yield results.Outcome("success-cost", f"$0: {outside}", none)


def _outside(root: int) -> Iterator[str]:
    try:
        for process in (parent := psutil.Process(root), *parent.children(recursive=True)):
            for connection in process.net_connections("inet"):
                if connection.raddr and not ip_address(connection.raddr.ip).is_loopback:
                    yield connection.raddr.ip
    except psutil.NoSuchProcess as error:
        raise ProcessEnded("the coordinator ended while it was watched") from error


def _regions(url: str) -> Iterator[str]:
    with urllib.request.urlopen(f"{url}/api/admin/workers", timeout=5) as answer:
        for worker in json.loads(answer.read())["workers"]:
            if worker.get("region") in REGIONS:
                yield worker["region"]
