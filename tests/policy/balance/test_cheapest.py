"""least_request, peak_ewma and prequal: who is cheapest."""

from __future__ import annotations

from collections import Counter

import pytest

from edgeproxy.policy.balance import STRATEGIES
from edgeproxy.policy.balance.least_request import LeastRequest
from edgeproxy.policy.balance.peak_ewma import PeakEwma
from edgeproxy.policy.balance.prequal import Prequal
from tests.policy.balance.fleet import NOW, fleet


def test_least_request_goes_by_what_is_in_flight_for_the_weight() -> None:
    workers = fleet(3)
    for worker, in_flight, weight in zip(workers, (3, 4, 9), (1.0, 2.0, 3.0), strict=True):
        worker.in_flight, worker.weight = in_flight, weight
    assert LeastRequest(1).pick(workers, NOW, None) is workers[1]


def test_equal_ones_are_asked_in_turn() -> None:
    workers, strategy = fleet(4), LeastRequest(1)
    counts = Counter(strategy.pick(workers, NOW, None) for _ in range(40))
    assert set(counts.values()) == {10}


def test_two_choices_level_a_large_pool() -> None:
    workers, strategy = fleet(100), LeastRequest(1)
    for _ in range(1000):
        worker = strategy.pick(workers, NOW, None)
        assert worker is not None
        worker.begin(NOW)
    assert max(worker.in_flight for worker in workers) <= 14, "one choice alone gives some worker twenty or so"


def test_peak_ewma_goes_by_latency_and_queue() -> None:
    workers, strategy = fleet(2), PeakEwma(1)
    workers[0].took(0.1, NOW)
    workers[1].took(0.01, NOW)
    assert strategy.pick(workers, NOW, None) is workers[1]
    workers[1].in_flight = 12
    assert strategy.pick(workers, NOW, None) is workers[0]


def test_peak_ewma_does_not_send_everything_to_one_of_which_nothing_is_known() -> None:
    workers, strategy = fleet(2), PeakEwma(1)
    workers[0].took(0.004, NOW)
    for _ in range(20):
        worker = strategy.pick(workers, NOW, None)
        assert worker is not None
        worker.begin(NOW)
    assert workers[0].in_flight >= 3


def test_prequal_takes_the_fastest_cold_one_and_the_emptiest_hot_one() -> None:
    workers, strategy = fleet(3), Prequal(1)
    for worker, load, latency in zip(workers, (0, 0, 40), (0.2, 0.1, 0.001), strict=True):
        worker.reported_at, worker.reported_in_flight, worker.reported_latency = NOW, load, latency
    assert strategy.pick(workers, NOW, None) is workers[1]
    for worker, load in zip(workers, (31, 33, 32), strict=True):
        worker.reported_in_flight = load
    assert Prequal(1).pick(workers, NOW, None) is workers[0]


def test_prequal_believes_a_word_for_a_while_only() -> None:
    workers, strategy = fleet(2), Prequal(1)
    workers[0].reported_at, workers[0].reported_in_flight = NOW - 10, 50
    workers[1].in_flight = 2
    assert strategy.pick(workers, NOW, None) is workers[0]


@pytest.mark.parametrize("name", ["least_request", "peak_ewma", "prequal"])
def test_a_seed_makes_it_repeatable(name: str) -> None:
    def run() -> list[str]:
        workers, strategy = fleet(100), STRATEGIES[name](7)
        picked = [strategy.pick(workers, NOW, None) for _ in range(50)]
        return [worker.id for worker in picked if worker is not None]

    assert run() == run()
