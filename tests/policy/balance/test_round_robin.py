"""Round robin: fair among those that are there."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.policy.balance import STRATEGIES
from edgeproxy.policy.balance.round_robin import RoundRobin
from edgeproxy.policy.worker import Worker

NOW = 100.0


def fleet(size: int) -> list[Worker]:
    return [Worker(f"w{number}", "a", number) for number in range(size)]


def test_in_turn() -> None:
    workers, strategy = fleet(3), RoundRobin()
    assert [strategy.pick(workers, NOW, []) for _ in range(7)] == [*workers, *workers, workers[0]]


def test_none_of_none() -> None:
    assert RoundRobin().pick([], NOW, []) is None


@given(st.integers(1, 8), st.sets(st.integers(0, 7)), st.sets(st.integers(0, 7)), st.integers(1, 40))
def test_available_and_untried_ones_share(size: int, down: set[int], tried: set[int], picks: int) -> None:
    workers, strategy = fleet(size), RoundRobin()
    for number in down:
        if number < size:
            workers[number].failed(NOW)
    before = [workers[number] for number in sorted(tried) if number < size]
    fit = [worker for worker in workers if worker.available(NOW) and worker not in before]
    counts = Counter(strategy.pick(workers, NOW, before) for _ in range(picks))
    if fit:
        assert set(counts) <= set(fit)
    elif len(before) < size:
        assert None not in counts
        assert not set(counts) & set(before)
    else:
        assert set(counts) == {None}


def test_all_available_ones_get_the_same() -> None:
    workers, strategy = fleet(4), RoundRobin()
    counts = Counter(strategy.pick(workers, NOW, []) for _ in range(400))
    assert set(counts.values()) == {100}


def test_the_last_resort_is_the_one_that_comes_back_first() -> None:
    workers, strategy = fleet(3), RoundRobin()
    for times, worker in zip((3, 1, 2), workers, strict=True):
        for _ in range(times):
            worker.failed(NOW)
    assert strategy.pick(workers, NOW, []) is workers[1]
    workers[1].probed(False)
    assert strategy.pick(workers, NOW, []) is workers[2]
    assert strategy.pick(workers, NOW, [workers[2]]) is workers[0]


def test_a_list_that_shrinks() -> None:
    workers, strategy = fleet(5), RoundRobin()
    for _ in range(4):
        strategy.pick(workers, NOW, [])
    assert strategy.pick(workers[:2], NOW, []) in workers[:2]


def test_by_name() -> None:
    assert isinstance(STRATEGIES["round_robin"](), RoundRobin)
