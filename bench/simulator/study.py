"""Every strategy under the same loads, seed by seed, with confidence intervals; and the plot of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

from bench.simulator.engine import Outcome, Simulation
from bench.simulator.fleet import Load
from edgeproxy.policy.balance import STRATEGIES

# Student's t for 95 %, two-sided, by degrees of freedom.
_T = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 7: 2.36, 9: 2.26, 14: 2.14, 19: 2.09, 29: 2.05}

LOADS: dict[str, Load] = {
    "equal, 70 %": Load(16, 0.7),
    "equal, 90 %": Load(16, 0.9),
    "a quarter 10 x slower": Load(16, 0.5, slow=0.25),
    "1000, a tenth 10 x slower": Load(1000, 0.7, slow=0.1),
    "deaths": Load(16, 0.5, deaths=0.02),
}
"""Heavy tails in all: lognormal, sigma 1.5, so that one request in a hundred takes ten times the mean."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean over seeds and the half width of its 95 % confidence interval."""

    value: float
    half: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> Figure:
        if len(samples) < 2:
            return cls(samples[0], math.nan)
        freedom = len(samples) - 1
        t = _T.get(freedom) or min(value for degrees, value in _T.items() if degrees < freedom)
        return cls(mean(samples), t * stdev(samples) / math.sqrt(len(samples)))

    def __str__(self) -> str:
        return f"{self.value:8.2f} ±{self.half:5.2f}"


@dataclass(frozen=True, slots=True)
class Result:
    """One strategy under one load; seconds are in mean service times."""

    load: str
    strategy: str
    p50: Figure
    p95: Figure
    p99: Figure
    errors: Figure
    imbalance: Figure
    hits: Figure


def study(loads: Iterable[str], requests: int, seeds: int) -> list[Result]:
    return [_result(load, name, requests, seeds) for load in loads for name in STRATEGIES]


def _result(load: str, name: str, requests: int, seeds: int) -> Result:
    runs = [Simulation(STRATEGIES[name](seed + 1), LOADS[load], requests, seed).run() for seed in range(seeds)]

    def figure(shares: Iterable[float]) -> Figure:
        return Figure.of(list(shares))

    return Result(
        load,
        name,
        figure(run.at(0.5) for run in runs),
        figure(run.at(0.95) for run in runs),
        figure(run.at(0.99) for run in runs),
        figure(100 * run.error_share for run in runs),
        figure(run.imbalance for run in runs),
        figure(_hit_share(run) for run in runs),
    )


def _hit_share(run: Outcome) -> float:
    return 100 * run.hits / max(1, len(run.seconds))


def table(results: Sequence[Result]) -> str:
    """As Markdown."""
    rows = ["| load | strategy | p50 | p95 | p99 | errors % | max/mean | prefix hits % |", "|" + "---|" * 8]
    for each in results:
        figures = (each.p50, each.p95, each.p99, each.errors, each.imbalance, each.hits)
        rows.append(
            f"| {each.load} | `{each.strategy}` | " + " | ".join(str(figure).strip() for figure in figures) + " |"
        )
    return "\n".join(rows)


def plot(results: Sequence[Result], path: Path) -> None:
    """p99 of every strategy, load by load, with its interval."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "edgeproxy"
    from matplotlib import pyplot

    loads = list(dict.fromkeys(each.load for each in results))
    picture, axes = pyplot.subplots(figsize=(9, 4.5))
    for index, name in enumerate(STRATEGIES):
        of_this = [each for each in results if each.strategy == name]
        places = [loads.index(each.load) + (index - 2) * 0.16 for each in of_this]
        values = [each.p99.value for each in of_this]
        axes.bar(places, values, 0.15, label=name, yerr=[each.p99.half for each in of_this], capsize=2)
    axes.set_yscale("log")
    axes.set_xticks(range(len(loads)), loads, fontsize=8)
    axes.set_ylabel("p99, in mean service times")
    axes.set_title("Strategies under heavy-tailed load (lower is better; bars: 95 % confidence)")
    axes.legend(fontsize=8, ncols=5)
    picture.tight_layout()
    picture.savefig(path, metadata={"Date": None})
    pyplot.close(picture)
