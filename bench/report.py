"""From rounds to figures, a table, a line for each goal, and JSON.

Peers are compared round by round: a ratio is taken between neighbours in time, then the median of the ratios.
The interval is that of the order statistics around the median, which assumes nothing about the noise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import comb
from statistics import median
from typing import Any

from rich.table import Table

from bench.scenarios import MIB, SCENARIOS, Goal, Scenario
from bench.suite import Round

REFERENCES = ("nginx", "haproxy", "aiohttp")
"""Ratios are to the first of these that ran."""

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


def ratio(ours: Sequence[Round], theirs: Sequence[Round]) -> Estimate:
    """Of CPU per request, between rounds that ran side by side."""
    return estimate(a.cpu_us / b.cpu_us for a, b in zip(ours, theirs, strict=True))


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
    shown = Table(title=f"{scenario.title}, {scenario.connections} connections", title_justify="left")
    shown.caption = f"Left out: {'; '.join(absent)}." if absent else None
    shown.add_column("peer")
    for heading in ("CPU us/request", "serving process", f"x {base}", "requests/s", "MiB/s", "core busy"):
        shown.add_column(heading, justify="right")
    for name, own in rounds.items():
        rate = _median(own, lambda one: one.requests_per_s)
        shown.add_row(
            name,
            _figure(_median(own, lambda one: one.cpu_us)),
            _figure(_median(own, lambda one: one.serving_us)),
            str(ratio(own, rounds[base])),
            _figure(rate),
            _figure(rate * scenario.body_bytes / MIB),
            f"{_median(own, lambda one: one.busy):.0%}",
        )
    return shown


def _median(rounds: Sequence[Round], figure: Callable[[Round], float]) -> float:
    return median(figure(one) for one in rounds)


def _figure(value: float) -> str:
    return f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A goal as measured; `measured` and `met` are None where one of the two did not run."""

    goal: Goal
    beside: str
    measured: Estimate | None
    met: bool | None

    def __str__(self) -> str:
        title = SCENARIOS[self.goal.scenario].title
        goal = f"{title}: {self.goal.peer} <= {self.goal.at_most:g} x {self.beside}"
        if self.measured is None:
            return f"not measured  {goal}"
        noise = ", within the noise" if self.measured.low <= self.goal.at_most < self.measured.high else ""
        return f"{'met' if self.met else 'missed':<6}  {goal}: {self.measured}{noise}"


def judge(goal: Goal, rounds: Rounds) -> Verdict:
    """Beside the cheapest of the peers that the goal names."""
    ran = [name for name in goal.against if name in rounds]
    if goal.peer not in rounds or not ran:
        return Verdict(goal, " or ".join(goal.against), None, None)
    beside = min(ran, key=lambda name: _median(rounds[name], lambda one: one.cpu_us))
    measured = ratio(rounds[goal.peer], rounds[beside])
    return Verdict(goal, beside, measured, measured.median <= goal.at_most)


def as_json(rounds: Iterable[Round], verdicts: Iterable[Verdict], context: Mapping[str, Any]) -> dict[str, Any]:
    """The context (machine, versions, plan), each round as it was, the figures made of them, the goals."""
    taken = by_scenario(rounds)
    return {
        **context,
        "scenarios": {
            name: {
                "reference": reference(peers),
                "peers": {peer: _peer(own, peers) for peer, own in peers.items()},
            }
            for name, peers in taken.items()
        },
        "goals": [asdict(verdict) for verdict in verdicts],
    }


def _peer(own: Sequence[Round], peers: Rounds) -> dict[str, Any]:
    return {
        "cpu_us": asdict(estimate(one.cpu_us for one in own)),
        "serving_us": asdict(estimate(one.serving_us for one in own)),
        "requests_per_s": asdict(estimate(one.requests_per_s for one in own)),
        "ratio": asdict(ratio(own, peers[reference(peers)])),
        "rounds": [asdict(one) for one in own],
    }
