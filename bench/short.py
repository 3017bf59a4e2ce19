"""`python -m bench ci`: a minute or two, and a failure where a *ratio* has become far worse than it usually is.

Times differ between machines; the ratio to nginx in the same run, beside the same load, does not so much. What is
usual stands in `bounds.toml`. A regression is an interval that lies beyond 1.5 times of that as a whole, and does so
again each time it is measured anew: whoever reads that a change was refused may rely on it. What cannot be measured,
since a peer is not here or the machine has no time for us, is said and is no failure: tests are there for what works.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from bench.measure import choose_cores, raise_descriptor_limit
from bench.peers import PEERS
from bench.report import Estimate, Rounds, by_scenario, estimate, ratio
from bench.rounds import console, fitting, measure
from bench.scenarios import SCENARIOS, Plan

BOUNDS = Path(__file__).with_name("bounds.toml")
WHO = ("edgeproxy", "nginx")
GROSS = 1.5
TRIES = 3
NOT_MEASURED = 3
PLAN = Plan(rounds=7, round_s=0.4, warmup_s=0.2, repeats=1, stream_s=1, streams=1, idle=1000, leaves=1, races=1)


@dataclass(frozen=True, slots=True)
class Bound:
    """`figure` of edgeproxy is usually `usual`, times that of `beside` where there is one."""

    scenario: str
    figure: str
    usual: float
    beside: str | None = None

    def measured(self, rounds: Rounds) -> Estimate | None:
        if "edgeproxy" not in rounds or (self.beside and self.beside not in rounds):
            return None
        own = rounds["edgeproxy"]
        if self.beside:
            return ratio(self.figure, own, rounds[self.beside])
        return estimate(one.figures[self.figure] for one in own)


Measure = Callable[[Sequence[str]], Mapping[str, Rounds]]
"""The rounds of the scenarios that are named."""


def bounds() -> list[Bound]:
    return [Bound(**one) for one in tomllib.loads(BOUNDS.read_text())["bound"]]


def regressions(wanted: Sequence[Bound], again: Measure) -> list[Bound]:
    """Those that are far beyond what is usual in each of TRIES runs. Prints a line for each, each time."""
    left = list(wanted)
    for _ in range(TRIES):
        if left:
            left = broken(again(list(dict.fromkeys(bound.scenario for bound in left))), left)
    return left


def broken(found: Mapping[str, Rounds], wanted: Sequence[Bound]) -> list[Bound]:
    failed = []
    for bound in wanted:
        measured = bound.measured(found.get(bound.scenario, {}))
        beyond = measured is not None and measured.low > GROSS * bound.usual
        beside = f" x {bound.beside}" if bound.beside else ""
        said = "not measured" if measured is None else "BEYOND" if beyond else "within"
        line = f"{bound.scenario}, {bound.figure}{beside}, usually {bound.usual:g}: {measured or ''}"
        console.print(f"{said:<12}  {line}", markup=False, soft_wrap=True)
        failed += [bound] if beyond else []
    return failed


def main() -> None:
    """A short run for CI. Exit code 1 where a ratio is far beyond what it usually is, 3 where nothing can be said."""
    if caveat := PEERS["edgeproxy"].caveat():
        console.print(f"Not compared: {caveat}", markup=False, soft_wrap=True)
        raise typer.Exit(NOT_MEASURED)
    try:
        failed = regressions(bounds(), _measured)
    except Exception as error:
        console.print(f"Not compared: {type(error).__name__}: {error}", markup=False, soft_wrap=True)
        raise typer.Exit(NOT_MEASURED) from None
    if failed:
        console.print(f"{len(failed)} beyond {GROSS:g} x of what is usual in each of {TRIES} runs", markup=False)
        raise typer.Exit(1)


def _measured(names: Sequence[str]) -> Mapping[str, Rounds]:
    plan = fitting(PLAN, raise_descriptor_limit())
    scenarios = [SCENARIOS[name] for name in names]
    return by_scenario(measure(scenarios, [PEERS[name] for name in WHO], plan, choose_cores()).rounds)
