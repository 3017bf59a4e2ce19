"""Rendezvous hashing: like requests go to the same worker, whose caches know them.

Every process ranks the workers for a key alike, with nothing to remember and nothing to agree on; when a worker goes,
only its own keys move. Load is bounded (Mirrokni, Thorup, Zadimoghaddam 2018): a worker that has `bound` times its
fair share of what is in flight is passed over for the next in rank.
"""

from __future__ import annotations

from edgeproxy.policy.balance.base import Strategy
from edgeproxy.policy.balance.least_request import LeastRequest
from edgeproxy.policy.hashing import mix
from edgeproxy.policy.worker import Worker

BOUND = 1.25
_WHOLE = 2.0**64


class Rendezvous(Strategy):
    """Requests without a key, and those whose workers are all gone, are for `others` to place."""

    __slots__ = ("_bound", "_others")

    def __init__(self, others: Strategy, bound: float) -> None:
        self._others = others
        self._bound = bound

    def pick(self, workers: list[Worker], now: float, tried: list[Worker] | None, key: int = 0) -> Worker | None:
        if key == 0:
            return self._others.pick(workers, now, tried, 0)
        flying = 0
        weight = 0.0
        for worker in workers:
            flying += worker.in_flight
            weight += worker.weight
        limit = 1.0 + self._bound * (flying + 1) / weight if weight > 0 else 0.0
        best = None
        highest = 0.0
        for worker in workers:
            rank = mix(key ^ worker.seed) / _WHOLE
            if worker.weight != 1.0:
                rank = rank ** (1.0 / worker.weight)  # a weight of 2 wins twice as many keys
            if (
                (best is None or rank > highest)
                and worker.in_flight < limit * worker.weight
                and worker.available(now)
                and (tried is None or worker not in tried)
            ):
                best, highest = worker, rank
        return best if best is not None else self._others.pick(workers, now, tried, 0)


def prefix_affinity(seed: int | None = None) -> Strategy:
    """By model and prompt prefix (`policy/prefix.py`), within 1.25 of the fair share."""
    return Rendezvous(LeastRequest(seed), BOUND)


def sticky(others: Strategy) -> Strategy:
    """By session: a session stays where its state is, however busy that is."""
    return Rendezvous(others, float("inf"))
