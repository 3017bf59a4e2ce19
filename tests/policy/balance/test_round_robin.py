"""Round robin: fair among those that are there, smooth among unequal ones."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.policy.balance.round_robin import RoundRobin
from edgeproxy.policy.worker import SLOW_START, Worker
from tests.policy.balance.fleet import NOW, fleet, leave_out


def names(strategy: RoundRobin, workers: list[Worker], count: int, now: float = NOW) -> str:
    picked = [strategy.pick(workers, now, None) for _ in range(count)]
    return "".join(worker.id for worker in picked if worker is not None)


def test_in_turn() -> None:
    workers, strategy = fleet(3), RoundRobin()
    assert [strategy.pick(workers, NOW, []) for _ in range(7)] == [*workers, *workers, workers[0]]


def test_turns_of_unequal_ones_interleave() -> None:
    workers = [Worker(name, name, 80, weight=weight) for name, weight in (("a", 5.0), ("b", 1.0), ("c", 1.0))]
    assert names(RoundRobin(), workers, 14) == "aaabcaa" * 2


@given(st.lists(st.integers(1, 20), min_size=1, max_size=8), st.integers(1, 5))
def test_shares_are_the_weights(weights: list[int], rounds: int) -> None:
    workers = [Worker(f"w{number}", "a", number, weight=float(weight)) for number, weight in enumerate(weights)]
    strategy = RoundRobin()
    counts = Counter(strategy.pick(workers, NOW, None) for _ in range(rounds * sum(weights)))
    for worker, weight in zip(workers, weights, strict=True):
        assert abs(counts[worker] - rounds * weight) <= 1


def test_one_that_has_come_back_gets_its_share_by_and_by() -> None:
    workers, strategy = fleet(2), RoundRobin()
    workers[0].probed(False, NOW)
    names(strategy, workers, 100)
    workers[0].probed(True, NOW)
    assert Counter(strategy.pick(workers, NOW + SLOW_START / 4, None) for _ in range(100))[workers[0]] == 20
    assert Counter(strategy.pick(workers, NOW + SLOW_START, None) for _ in range(100))[workers[0]] in range(48, 52)


@given(st.integers(1, 8), st.sets(st.integers(0, 7)), st.sets(st.integers(0, 7)), st.integers(1, 40))
def test_available_and_untried_ones_share(size: int, down: set[int], tried: set[int], picks: int) -> None:
    workers, strategy = fleet(size), RoundRobin()
    for number in down:
        if number < size:
            leave_out(workers[number])
    before = [workers[number] for number in sorted(tried) if number < size]
    fit = [worker for worker in workers if worker.available(NOW) and worker not in before]
    counts = Counter(strategy.pick(workers, NOW, before) for _ in range(picks))
    if fit:
        assert set(counts) <= set(fit)
        assert max(counts.values()) - min(counts[worker] for worker in fit) <= 1
    elif len(before) < size:
        assert None not in counts
        assert not set(counts) & set(before)
    else:
        assert set(counts) == {None}


def test_a_list_that_changes_keeps_turns() -> None:
    workers, strategy = fleet(4), RoundRobin()
    assert names(strategy, workers, 2) == "w0w1"
    changed = [*workers[1:], Worker("new", "a", 9)]
    assert set(names(strategy, changed, 4)) == set("w1w2w3new"), "each once"
    assert strategy.pick(workers[:2], NOW, None) in workers[:2]
