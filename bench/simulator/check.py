"""The simulator against what is known exactly: mean response of M/M/k."""

from __future__ import annotations

from dataclasses import dataclass

from bench.simulator.engine import Simulation
from bench.simulator.erlang import mean_response
from bench.simulator.fleet import Load
from edgeproxy.policy.balance import STRATEGIES

ALLOWED = 0.01


@dataclass(frozen=True, slots=True)
class Check:
    servers: int
    utilisation: float
    simulated: float
    exact: float

    @property
    def error(self) -> float:
        return abs(self.simulated - self.exact) / self.exact

    @property
    def holds(self) -> bool:
        return self.error < ALLOWED

    def __str__(self) -> str:
        verdict = "ok" if self.holds else "WRONG"
        return (
            f"M/M/{self.servers} at {self.utilisation:.0%}: {self.simulated:.4f}, Erlang C says {self.exact:.4f}, "
            f"off by {self.error:.2%}: {verdict}"
        )


def against_erlang(requests: int = 200_000, seeds: int = 3) -> list[Check]:
    """One queue before k equal servers; which of the free ones is picked is all the same."""
    checks = []
    for servers, utilisation in ((1, 0.5), (4, 0.7), (16, 0.8)):
        load = Load(servers, utilisation, tail=0)
        runs = [
            Simulation(STRATEGIES["least_request"](1), load, requests, seed, one_queue=True).run()
            for seed in range(seeds)
        ]
        total = sum(sum(run.seconds) for run in runs)
        simulated = total / sum(len(run.seconds) for run in runs)
        checks.append(Check(servers, utilisation, simulated, mean_response(servers, load.arrivals, 1.0)))
    return checks
