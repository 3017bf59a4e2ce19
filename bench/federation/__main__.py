"""`python -m bench.federation [lives | load | processes | all]`: figures as JSON, and what they say of the goals.

| | |
|---|---|
| lives | as many random lives of a fleet as there are seeds; a line for each that broke a promise (by default) |
| load | 10,000 workers in five regions under the virtual clock: CPU, propagation, orphans, a view of a million |
| processes | a primary and five regions as processes: the primary's CPU, and what it writes to the key-value store |
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.federation import load, processes
from bench.federation.lives import lived
from bench.results import Outcome, leave_outcomes

BEATS_PER_S = 10_000 / 5.0
"""What a primary without regions would hear from 10,000 workers."""
ACCEPTED_PERCENT, ACCEPTED_LESS = 3.0, 20.0


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.federation", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", choices=[*PARTS, "all"], default="lives")
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    outcomes: list[Outcome] = []
    for name in PARTS if options.what == "all" else [options.what]:
        outcomes += PARTS[name](options)
    for one in outcomes:
        print(f"{'met' if one.met else 'missed':<6}  {one.goal}: {one.measured}")
    leave_outcomes("federation", outcomes)
    return int(not all(one.met for one in outcomes))


def _lives(options: argparse.Namespace) -> Iterator[Outcome]:
    found = lived(range(options.first, options.first + options.seeds), options.processes)
    print(json.dumps(found.summary()), flush=True)
    yield from found.outcomes()


def _load(options: argparse.Namespace) -> Iterator[Outcome]:
    found = load.steady() | load.orphans() | load.million()
    print(json.dumps(found), flush=True)
    yield from of_load(found)


def of_load(found: dict[str, float]) -> Iterator[Outcome]:
    p50, p99 = found["claim_p50_s"], found["claim_p99_s"]
    words = f"registered again after {p50:.2f} s (p50), {p99:.2f} s (p99), 10,000 at once"
    yield Outcome("orphans", words, p50 <= 4 and p99 <= 10)
    p95 = found["propagation_p95_s"]
    yield Outcome("propagation", f"p95 {p95:.2f} s, p50 {found['propagation_p50_s']:.2f} s", p95 <= 1)
    peak = found["claims_peak_over_accept_rate"]
    yield Outcome("herd", f"{peak:.2f} x", peak <= 1.5)
    yield Outcome("million", f"{found['million_mib']:.0f} MiB", found["million_mib"] <= 600)
    share = found["primary_core_percent"]
    yield Outcome("primary-cpu", f"{share:.2f} % of a core, its federation's code alone", share <= ACCEPTED_PERCENT)


def _processes(options: argparse.Namespace) -> Iterator[Outcome]:
    with tempfile.TemporaryDirectory(prefix="edgeproxy-federation-") as directory:
        found = asyncio.run(processes.main(Path(directory)))
    beat_us = _heartbeat_us()
    print(json.dumps(found | {"heartbeat_us": beat_us}), flush=True)
    yield from of_processes(found, beat_us)


def of_processes(found: dict[str, float], beat_us: float) -> Iterator[Outcome]:
    """`beat_us` is the CPU time of a heartbeat at a coordinator."""
    alone, share = BEATS_PER_S * beat_us / 1e4, found["primary_core_percent"]
    words = f"{alone / share:.0f} x: {share:.2f} % of a core, the whole process; {alone:.1f} % to hear them all itself"
    yield Outcome("primary-less", words, alone / share >= ACCEPTED_LESS)
    writes = found["kv_writes"]
    yield Outcome("kv-writes", f"{writes:.0f} in {processes.SECONDS:g} s, 6 coordinators at work", not writes)


def _heartbeat_us() -> float:
    said = subprocess.run(
        [sys.executable, "-m", "bench.coordinator", "heartbeats"], check=True, stdout=subprocess.PIPE, timeout=120
    )
    rows = [json.loads(line) for line in said.stdout.splitlines() if line.startswith(b"{")]
    return float(next(row["microseconds"] for row in rows if "microseconds" in row))


PARTS: dict[str, Callable[[argparse.Namespace], Iterator[Outcome]]] = {
    "lives": _lives,
    "load": _load,
    "processes": _processes,
}

if __name__ == "__main__":
    sys.exit(main())
