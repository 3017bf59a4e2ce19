# cython: cdivision=True
"""Rendezvous hashing: like requests go to the same worker, whose caches know them.

Every process ranks the workers for a key alike, with nothing to remember and nothing to agree on; when a worker goes,
only its own keys move. Load is bounded (Mirrokni, Thorup, Zadimoghaddam 2018): a worker that has `bound` times its
fair share of what is in flight is passed over for the next in rank.
"""

from __future__ import annotations

from array import array

from edgeproxy.policy.balance.base import Strategy
from edgeproxy.policy.balance.least_request import LeastRequest
from edgeproxy.policy.hashing import mix
from edgeproxy.policy.worker import Worker

BOUND = 1.25
_WHOLE = 2.0**64
_FEW = 64
"""Workers up to which all are ranked each time."""
_SETS = 1024
_WAYS = 4
"""Places of a set. 4096 keys are remembered, 100 KB a pool; the fifth of a set costs the oldest its place."""
_DEPTH = 4
"""Ranks that are remembered; a key whose first four are all busy is placed by the others' strategy."""
_REFRESH = 32
"""Picks after which the fair share among many is counted anew."""


class Ranks:
    """The first ranks of the keys seen lately, among many workers."""

    __slots__ = ("_best", "_keys", "_workers")

    def __init__(self) -> None:
        self._keys = array("Q", bytes(8 * _SETS * _WAYS))
        self._best = array("i", bytes(4 * _SETS * _WAYS * _DEPTH))
        self._workers: list[Worker] | None = None

    def find(self, workers: list[Worker], key: int) -> int:
        """Where `best` has the first rank, the next behind it."""
        if workers is not self._workers:
            self._workers = workers
            self._keys = array("Q", bytes(8 * _SETS * _WAYS))
        first = mix(key) % _SETS * _WAYS
        for at in range(first, first + _WAYS):
            if self._keys[at] == key:
                return at * _DEPTH
        self._make_room(first)
        self._rank(workers, key, first * _DEPTH)
        self._keys[first] = key
        return first * _DEPTH

    def _make_room(self, first: int) -> None:
        """At the first place of a set; the last one is forgotten."""
        for at in range(first + _WAYS - 1, first, -1):
            self._keys[at] = self._keys[at - 1]
            for depth in range(_DEPTH):
                self._best[at * _DEPTH + depth] = self._best[(at - 1) * _DEPTH + depth]

    def best(self, at: int) -> int:
        return self._best[at]

    def _rank(self, workers: list[Worker], key: int, at: int) -> None:
        ranks = [-1.0] * _DEPTH
        for index in range(len(workers)):
            worker = workers[index]
            rank = _rank_of(worker, key)
            place = _DEPTH
            while place > 0 and rank > ranks[place - 1]:
                place -= 1
            if place < _DEPTH:
                ranks.insert(place, rank)
                ranks.pop()
                for lower in range(_DEPTH - 1, place, -1):
                    self._best[at + lower] = self._best[at + lower - 1]
                self._best[at + place] = index


class Rendezvous(Strategy):
    """Requests without a key, and those whose workers are all gone or busy, are for `others` to place."""

    __slots__ = ("_bound", "_limit", "_others", "_picks", "_ranks")

    def __init__(self, others: Strategy, bound: float) -> None:
        self._others = others
        self._bound = bound
        self._limit = bound
        self._ranks = Ranks()
        self._picks = 0

    def pick(self, workers: list[Worker], now: float, tried: list[Worker] | None, key: int = 0) -> Worker | None:
        worker = None
        if key != 0 and workers:
            self._picks += 1
            if len(workers) <= _FEW:
                self._limit = 1.0 + self._bound * _share(workers)
                worker = self._of_few(workers, now, tried, key)
            else:
                if self._picks % _REFRESH == 1:
                    self._limit = 1.0 + self._bound * _share(workers)
                worker = self._of_many(workers, now, tried, key)
        return worker if worker is not None else self._others.pick(workers, now, tried, 0)

    def _of_few(self, workers: list[Worker], now: float, tried: list[Worker] | None, key: int) -> Worker | None:
        best = None
        highest = 0.0
        for worker in workers:
            rank = _rank_of(worker, key)
            if (best is None or rank > highest) and self._fits(worker, now, tried):
                best, highest = worker, rank
        return best

    def _of_many(self, workers: list[Worker], now: float, tried: list[Worker] | None, key: int) -> Worker | None:
        at = self._ranks.find(workers, key)
        for depth in range(_DEPTH):
            worker = workers[self._ranks.best(at + depth)]
            if self._fits(worker, now, tried):
                return worker
        return None

    def _fits(self, worker: Worker, now: float, tried: list[Worker] | None) -> bool:
        return (
            worker.in_flight < self._limit * worker.weight
            and worker.available(now)
            and (tried is None or worker not in tried)
        )


def _rank_of(worker: Worker, key: int) -> float:
    rank = mix(key ^ worker.seed) / _WHOLE
    if worker.weight != 1.0:
        rank = rank ** (1.0 / worker.weight)  # a weight of 2 wins twice as many keys
    return rank


def _share(workers: list[Worker]) -> float:
    """What each would have in flight for a weight of 1, were it fair."""
    flying = 1
    weight = 0.0
    for worker in workers:
        flying += worker.in_flight
        weight += worker.weight
    return flying / weight


def prefix_affinity(seed: int | None = None) -> Strategy:
    """By model and prompt prefix (`policy/affinity.py`), within 1.25 of the fair share."""
    return Rendezvous(LeastRequest(seed), BOUND)


def sticky(others: Strategy) -> Strategy:
    """By session: a session stays where its state is, however busy that is."""
    return Rendezvous(others, float("inf"))
