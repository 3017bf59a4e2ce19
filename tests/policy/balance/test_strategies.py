"""What holds for every strategy, and the last resort."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.policy.balance import STRATEGIES
from edgeproxy.policy.balance.base import FULL_SCAN, last_resort, worth_waiting
from edgeproxy.policy.worker import Worker
from tests.policy.balance.fleet import NOW, fleet, leave_out

every = pytest.mark.parametrize("name", list(STRATEGIES))
KEY = 12345


@every
@pytest.mark.parametrize("key", [0, KEY])
def test_none_of_none(name: str, key: int) -> None:
    assert STRATEGIES[name](1).pick([], NOW, None, key) is None


@every
@pytest.mark.parametrize("size", [1, 2, 10, FULL_SCAN, FULL_SCAN + 1, 200])
@given(data=st.data())
def test_only_available_untried_ones_are_picked_while_there_are_any(name: str, size: int, data: st.DataObject) -> None:
    workers = fleet(size, slots=2)
    numbers = st.sets(st.integers(0, size - 1))
    for number in data.draw(numbers):
        leave_out(workers[number])
    for number in data.draw(numbers):
        workers[number].in_flight = 2
    tried = [workers[number] for number in data.draw(numbers)]
    fit = {worker for worker in workers if worker.available(NOW) and worker not in tried}
    strategy = STRATEGIES[name](1)
    for key in (0, KEY, KEY):
        picked = strategy.pick(workers, NOW, tried, key)
        assert picked in fit if fit else picked is None or (picked not in tried and picked.in_flight < 2)


@every
def test_like_workers_are_all_used(name: str) -> None:
    for size in (4, 200):
        workers, strategy = fleet(size), STRATEGIES[name](1)
        for number in range(1, 20 * size):
            worker = strategy.pick(workers, NOW, None, number)
            assert worker is not None
            worker.begin(NOW)
        assert all(worker.in_flight for worker in workers), "nobody is forgotten"


def test_the_last_resort_is_the_one_that_comes_back_first() -> None:
    workers = fleet(3)
    for worker, seconds in zip(workers, (3, 1, 2), strict=True):
        leave_out(worker, seconds)
    assert last_resort(workers, NOW, None) is workers[1]
    workers[1].probed(False, NOW)
    assert last_resort(workers, NOW, None) is workers[2]
    assert last_resort(workers, NOW, [workers[2]]) is workers[0]
    assert last_resort(workers, NOW, workers) is None


def test_a_full_or_held_one_is_waited_for() -> None:
    full, held, dead = Worker("f", "a", 1, slots=1), Worker("h", "a", 2), Worker("d", "a", 3)
    full.begin(NOW)
    held.left_out_until = held.held_until = NOW + 0.25
    dead.probed(False, NOW)
    for worker in (full, held):
        assert last_resort([worker], NOW, None) is None
        assert worth_waiting([worker, dead], NOW, None)
        assert not worth_waiting([worker, dead], NOW, [worker])
    assert not worth_waiting([dead], NOW, None)
    assert last_resort([held], NOW + 0.25, None) is held
