"""Rendezvous: like requests stay together, move only when they must, and never pile up."""

from __future__ import annotations

from collections import Counter

from edgeproxy.policy.balance.least_request import LeastRequest
from edgeproxy.policy.balance.prefix_affinity import BOUND, prefix_affinity, sticky
from edgeproxy.policy.hashing import seed_of
from tests.policy.balance.fleet import NOW, fleet, leave_out

KEYS = [seed_of(b"%d" % number) for number in range(2000)]


def test_a_key_has_its_worker_in_every_process() -> None:
    workers = fleet(10)
    for key in KEYS[:100]:
        picked = prefix_affinity(1).pick(workers, NOW, None, key)
        assert prefix_affinity(2).pick(list(reversed(fleet(10))), NOW, None, key).id == picked.id  # type: ignore[union-attr]


def test_keys_spread_evenly_and_by_weight() -> None:
    workers = fleet(4)
    workers[3].weight = 2.0
    counts = Counter(sticky(LeastRequest(1)).pick(workers, NOW, None, key) for key in KEYS)
    for worker in workers:
        assert 0.85 < counts[worker] / (len(KEYS) / 5 * worker.weight) < 1.15


def test_when_a_worker_goes_only_its_keys_move() -> None:
    workers, strategy = fleet(10), prefix_affinity(1)
    before = {key: strategy.pick(workers, NOW, None, key) for key in KEYS}
    leave_out(workers[4])
    for key, worker in before.items():
        after = strategy.pick(workers, NOW, None, key)
        assert after is not workers[4]
        assert after is worker or worker is workers[4]


def test_load_is_bounded() -> None:
    workers, strategy = fleet(10), prefix_affinity(1)
    for _ in range(1000):
        worker = strategy.pick(workers, NOW, None, KEYS[0])
        assert worker is not None
        worker.begin(NOW)
    assert max(worker.in_flight for worker in workers) <= BOUND * 100 + 2


def test_a_session_stays_however_busy_its_worker_is() -> None:
    workers, strategy = fleet(10), sticky(LeastRequest(1))
    home = strategy.pick(workers, NOW, None, KEYS[0])
    assert home is not None
    home.in_flight = 500
    assert strategy.pick(workers, NOW, None, KEYS[0]) is home
    leave_out(home)
    assert strategy.pick(workers, NOW, None, KEYS[0]) not in (None, home)


def test_without_a_key_others_place_it() -> None:
    workers = fleet(2)
    workers[0].in_flight = 1
    assert prefix_affinity(1).pick(workers, NOW, None) is workers[1]
