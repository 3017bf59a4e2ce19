"""`python -m bench ci`: at most three minutes, and a failure where a *ratio* has become worse than its bound.

Times differ between machines; the ratio to nginx in the same run, beside the same load, does not so much. The bounds
stand in `bounds.toml`. One is broken where the whole interval lies beyond it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import typer

from bench.measure import choose_cores, raise_descriptor_limit
from bench.peers import PEERS
from bench.report import Estimate, Rounds, by_scenario, estimate, ratio
from bench.rounds import console, fitting, measure
from bench.scenarios import SCENARIOS, Plan

BOUNDS = Path(__file__).with_name("bounds.toml")
WHO = ("edgeproxy", "nginx", "haproxy")
PLAN = Plan(
    rounds=7, round_s=0.5, warmup_s=0.2, repeats=1, stream_s=2, streams=300, idle=1000, leaves=50, races=300, rate=1000
)


@dataclass(frozen=True, slots=True)
class Bound:
    """`figure` of edgeproxy is at most `at_most`, times that of `beside` where there is one."""

    scenario: str
    figure: str
    at_most: float
    beside: str | None = None

    def judge(self, rounds: Rounds) -> tuple[Estimate | None, bool]:
        """What was measured, and whether that is within: what was not measured is not."""
        if "edgeproxy" not in rounds or (self.beside and self.beside not in rounds):
            return None, False
        own = rounds["edgeproxy"]
        found = (
            ratio(self.figure, own, rounds[self.beside])
            if self.beside
            else estimate(one.figures[self.figure] for one in own)
        )
        return found, found.low <= self.at_most


def bounds() -> list[Bound]:
    return [Bound(**one) for one in tomllib.loads(BOUNDS.read_text())["bound"]]


def broken(found: Mapping[str, Rounds], wanted: list[Bound]) -> list[Bound]:
    """Prints a line for each."""
    failed = []
    for bound in wanted:
        measured, within = bound.judge(found.get(bound.scenario, {}))
        beside = f" x {bound.beside}" if bound.beside else ""
        shown = "not measured" if measured is None else str(measured)
        line = f"{bound.scenario}, {bound.figure} <= {bound.at_most:g}{beside}: {shown}"
        console.print(f"{'within' if within else 'BEYOND'}  {line}", markup=False, soft_wrap=True)
        failed += [] if within else [bound]
    return failed


def main() -> None:
    """A short run for CI. Exit code 1 where a ratio is beyond its bound, or a peer answers wrongly."""
    wanted = bounds()
    scenarios = [SCENARIOS[name] for name in dict.fromkeys(bound.scenario for bound in wanted)]
    plan = fitting(PLAN, raise_descriptor_limit())
    taken = measure(scenarios, [PEERS[name] for name in WHO], plan, choose_cores())
    if broken(by_scenario(taken.rounds), wanted) or taken.failures:
        raise typer.Exit(1)
