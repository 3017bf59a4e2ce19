"""The simulator agrees with what is known exactly, and runs what is shipped."""

from __future__ import annotations

import pytest

from bench.simulator.check import against_erlang
from bench.simulator.engine import Simulation
from bench.simulator.erlang import mean_response, waits
from bench.simulator.fleet import Load
from bench.simulator.study import Figure, study, table
from edgeproxy.policy.balance import STRATEGIES


def test_erlang_c() -> None:
    assert waits(1, 0.5) == pytest.approx(0.5), "M/M/1: the utilisation"
    assert waits(2, 1.0) == pytest.approx(1 / 3)
    assert waits(10, 8.0) == pytest.approx(0.40918, abs=1e-5), "a table's"
    assert mean_response(1, 0.5, 1.0) == pytest.approx(2.0)


def test_the_simulator_is_off_by_less_than_one_percent() -> None:
    for check in against_erlang(requests=60_000, seeds=3):
        assert check.holds, str(check)


def test_a_wrong_figure_would_be_seen() -> None:
    load = Load(4, 0.7, tail=0)
    without = Simulation(STRATEGIES["round_robin"](1), load, 20_000, 1).run()
    assert without.mean > 1.5 * mean_response(4, load.arrivals, 1.0), "queues of their own are no M/M/k"


def test_the_same_seed_is_the_same_run() -> None:
    runs = [Simulation(STRATEGIES["peak_ewma"](1), Load(8, 0.7), 2000, 5).run().seconds for _ in range(2)]
    assert runs[0] == runs[1]


def test_deaths_cost_attempts_and_few_requests() -> None:
    outcome = Simulation(STRATEGIES["least_request"](1), Load(8, 0.4, deaths=0.05), 10_000, 3).run()
    assert len(outcome.seconds) + outcome.errors >= 8000
    assert outcome.error_share < 0.01


def test_a_slow_machine_is_spared_by_those_who_look() -> None:
    load = Load(8, 0.5, slow=0.25)
    p99 = {name: Simulation(STRATEGIES[name](1), load, 8000, 1).run().at(0.99) for name in STRATEGIES}
    assert p99["least_request"] * 5 < p99["round_robin"]
    assert p99["peak_ewma"] * 5 < p99["round_robin"]


def test_like_prompts_hit_caches() -> None:
    hits = {name: Simulation(STRATEGIES[name](1), Load(16, 0.5), 5000, 1).run().hits for name in STRATEGIES}
    assert hits["prefix_affinity"] > 1.2 * hits["round_robin"]


def test_confidence_intervals() -> None:
    figure = Figure.of([1.0, 2.0, 3.0])
    assert figure.value == 2.0
    assert figure.half == pytest.approx(4.30 / 3**0.5)


def test_the_table_has_every_strategy() -> None:
    text = table(study(["equal, 70 %"], 200, 2))
    assert all(f"`{name}`" in text for name in STRATEGIES)
