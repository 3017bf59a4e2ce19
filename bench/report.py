"""From rounds to figures, a table, a line for each goal, and JSON.

Peers are compared round by round: a ratio is taken between neighbours in time, then the median of the ratios.
The interval is that of the order statistics around the median, which assumes nothing about the noise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import comb
from statistics import median
from typing import Any

from rich.table import Table

from bench.scenarios import SCENARIOS, Goal, Scenario
from bench.suite import Round

DISTURBED = 0.1
"""A goal says so where others had more of the proxy's core than this: CPU a request bears it, latency does not."""

REFERENCES = ("nginx", "haproxy", "aiohttp")
"""Ratios are to the first of these that ran."""

CURVES = {"connections": "connections", "body": "bodies (bytes)", "workers": "workers"}

Rounds = Mapping[str, Sequence[Round]]
"""The rounds of one scenario, by peer, in the order in which they ran."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A median, and the interval that has the true one with 95 % (all there is, with fewer than 6 values)."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} [{self.low:.2f}..{self.high:.2f}]"


def estimate(values: Iterable[float]) -> Estimate:
    ordered = sorted(values)
    cut = _cut(len(ordered))
    return Estimate(median(ordered), ordered[cut], ordered[-1 - cut])


def _cut(count: int, confidence: float = 0.95) -> int:
    """Values to leave out at each end: the true median is beyond the k-th with P(Binomial(n, 1/2) < k)."""
    cut, outside = 0, 2 * 0.5**count
    while cut < count // 2 - 1:
        outside += 2 * comb(count, cut + 1) * 0.5**count
        if outside > 1 - confidence:
            break
        cut += 1
    return cut


def ratio(figure: str, ours: Sequence[Round], theirs: Sequence[Round]) -> Estimate:
    """Between rounds that ran side by side."""
    return estimate(a.figures[figure] / b.figures[figure] for a, b in zip(ours, theirs, strict=True))


def by_scenario(rounds: Iterable[Round]) -> dict[str, dict[str, list[Round]]]:
    found: dict[str, dict[str, list[Round]]] = {}
    for one in rounds:
        found.setdefault(one.scenario, {}).setdefault(one.peer, []).append(one)
    return found


def reference(peers: Iterable[str]) -> str:
    ran = list(peers)
    return next((name for name in REFERENCES if name in ran), ran[0])


def table(scenario: Scenario, rounds: Rounds, absent: Sequence[str] = ()) -> Table:
    """`absent` are the reasons why peers are missing from it."""
    base = reference(rounds)
    shown = Table(title=scenario.title, title_justify="left", caption_justify="left")
    shown.caption = f"Left out: {'; '.join(absent)}." if absent else None
    shown.add_column("peer")
    compared = [f"x {base}"] if scenario.compared else []
    for heading in compared + [column.heading for column in scenario.columns]:
        shown.add_column(heading, justify="right")
    for name, own in rounds.items():
        ratios = [str(ratio(scenario.compared, own, rounds[base]))] if scenario.compared else []
        cells = [column.form.format(_median(own, column.figure)) for column in scenario.columns]
        shown.add_row(name, *ratios, *cells)
    return shown


def curve_table(curve: str, found: Mapping[str, Rounds]) -> Table:
    """CPU a request of each peer, in microseconds, along a curve."""
    points = sorted((at[1], name) for name in found if (at := SCENARIOS[name].curve) and at[0] == curve)
    shown = Table(title=f"CPU us/request as {CURVES[curve]} grow", title_justify="left")
    shown.add_column("peer")
    for value, _ in points:
        shown.add_column(f"{value:,.0f}", justify="right")
    for peer in dict.fromkeys(peer for _, name in points for peer in found[name]):
        cells = [found[name].get(peer) for _, name in points]
        shown.add_row(peer, *(f"{_median(own, 'cpu_us'):,.1f}" if own else "" for own in cells))
    return shown


def _median(rounds: Sequence[Round], figure: str) -> float:
    return median(one.figures[figure] for one in rounds)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A goal as measured; `measured` and `met` are None where it, or all that it is held against, did not run.
    `others` is the share of the core that other programs had; `why` it was not measured."""

    goal: Goal
    beside: str | None
    measured: Estimate | None
    met: bool | None
    others: float = 0.0
    why: str = ""

    def __str__(self) -> str:
        goal, scenario = self.goal, SCENARIOS[self.goal.scenario]
        beside = self.beside or " or ".join(goal.against)
        limit = f"{goal.at_most:g} x {beside}" if beside else f"{goal.at_most:g}"
        line = f"{scenario.title}: {goal.peer}, {scenario.column(goal.figure).heading} <= {limit}"
        if self.measured is None:
            return f"not measured: {self.why}: {line}"
        noise = ", within the noise" if self.measured.low <= goal.at_most < self.measured.high else ""
        disturbed = f"; disturbed: others had {self.others:.0%} of the core" if self.others > DISTURBED else ""
        return f"{'met' if self.met else 'missed':<6}  {line}: {self.measured}{noise}{disturbed}"


def judge(goal: Goal, rounds: Rounds, why: str | None = None) -> Verdict:
    """Beside the best of the peers that the goal names, where it names any; `why` there may be no rounds."""
    ran = [name for name in goal.against if name in rounds]
    beside = min(ran, key=lambda name: _median(rounds[name], goal.figure)) if ran else None
    if goal.peer not in rounds or (goal.against and not beside):
        missing = goal.peer if goal.peer not in rounds else " or ".join(goal.against)
        return Verdict(goal, None, None, None, why=why or f"{missing} did not run")
    own = rounds[goal.peer]
    measured = ratio(goal.figure, own, rounds[beside]) if beside else estimate(one.figures[goal.figure] for one in own)
    others = median(one.figures.get("others", 0.0) for one in own)
    return Verdict(goal, beside, measured, measured.median <= goal.at_most, others)


def as_json(rounds: Iterable[Round], verdicts: Iterable[Verdict], context: Mapping[str, Any]) -> dict[str, Any]:
    """The context (machine, versions, plan), each round as it was, the figures made of them, the goals."""
    return {
        **context,
        "scenarios": {
            name: {
                "title": SCENARIOS[name].title,
                "curve": SCENARIOS[name].curve,
                "compared": SCENARIOS[name].compared,
                "reference": reference(peers),
                "peers": {peer: _peer(SCENARIOS[name].compared, own, peers) for peer, own in peers.items()},
            }
            for name, peers in by_scenario(rounds).items()
        },
        "goals": [{**asdict(verdict), "line": str(verdict)} for verdict in verdicts],
    }


def _peer(compared: str | None, own: Sequence[Round], peers: Rounds) -> dict[str, Any]:
    return {
        "figures": {name: asdict(estimate(one.figures[name] for one in own)) for name in own[0].figures},
        "ratio": asdict(ratio(compared, own, peers[reference(peers)])) if compared else None,
        "rounds": [one.figures for one in own],
    }
