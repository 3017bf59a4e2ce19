"""The budgets of a pool, and what it knows of its latency."""

from __future__ import annotations

import random

from edgeproxy.clock import FOREVER
from edgeproxy.policy.traffic import HEDGE_BURST, RETRY_LEAST, SILENT_LEAST, Traffic


def test_retries_are_a_fifth_of_what_is_in_flight_and_at_least_three() -> None:
    traffic = Traffic()
    for in_flight, most in ((0, RETRY_LEAST), (10, 3), (100, 20), (1000, 200)):
        traffic.in_flight, traffic.retrying = in_flight, most - 1
        assert traffic.may_retry()
        traffic.retrying = most
        assert not traffic.may_retry()


def test_hedges_are_a_twentieth_of_the_answers() -> None:
    traffic, taken = Traffic(), 0
    while traffic.take_hedge():
        taken += 1
    assert taken == HEDGE_BURST
    for _ in range(10_000):
        traffic.answered(0.01, 1.0)
        taken += traffic.take_hedge()
    assert HEDGE_BURST + 499 <= taken <= HEDGE_BURST + 500


def test_the_95th_percentile_is_found() -> None:
    dice, traffic = random.Random(1), Traffic()
    seen = []
    for _ in range(20_000):
        traffic.answered(dice.expovariate(100), 1.0)
        seen.append(traffic.p95)
    assert 0.027 < sum(seen[2000:]) / len(seen[2000:]) < 0.033, "ln(20) / 100 is 0.030"


def test_nothing_is_concluded_from_little() -> None:
    traffic = Traffic()
    for _ in range(19):
        traffic.answered(0.001, 1.0)
    assert traffic.hedge_after() == traffic.silent_after() == FOREVER
    traffic.answered(0.001, 1.0)
    assert traffic.hedge_after() < 0.002
    assert traffic.silent_after() == SILENT_LEAST


def test_the_worst_is_forgotten_after_a_minute() -> None:
    traffic = Traffic()
    traffic.answered(5.0, 1.0)
    traffic.answered(0.1, 50.0)
    assert traffic.worst == 5.0
    traffic.answered(0.1, 62.0)
    assert traffic.worst == 0.1
