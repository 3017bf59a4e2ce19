# cython: cdivision=True
"""Prequal (Wydrowski et al., NSDI 2024): requests in flight decide who is hot, latency chooses among the cold.

Its probes are free here: a worker says with its answers how many requests it has in flight, from all its clients, and
how long they take (`endpoint-load-metrics`). One that says nothing is judged by what this process sees.
"""

from __future__ import annotations

from edgeproxy.policy.balance.base import Cheapest
from edgeproxy.policy.worker import Worker

_HOT = 0.84
"""The quantile of requests in flight above which a worker is hot."""
_STEP = 0.25
_TRUSTED = 2.0
"""Seconds for which a worker's word about itself counts."""
_HOT_COST = 1e6


class Prequal(Cheapest):
    """Of the cold, the one that answers fastest; if all are hot, the one with the fewest requests."""

    __slots__ = ("_hot",)

    def __init__(self, seed: int | None = None) -> None:
        Cheapest.__init__(self, seed)
        self._choices = 8
        self._hot = 1.0

    def pick(self, workers: list[Worker], now: float, tried: list[Worker] | None, key: int = 0) -> Worker | None:
        if workers:
            load = _in_flight(workers[self._dice.below(len(workers))], now)
            self._hot = max(0.0, self._hot + (_STEP * _HOT if load > self._hot else -_STEP * (1.0 - _HOT)))
        return Cheapest.pick(self, workers, now, tried, key)

    def cost(self, worker: Worker, now: float) -> float:
        load = _in_flight(worker, now)
        if load > self._hot:
            return _HOT_COST * (load + 1) / worker.share(now)
        latency = worker.expected(now)
        if now - worker.reported_at < _TRUSTED and worker.reported_latency > 0.0:
            latency = worker.reported_latency
        return (latency + 1e-4 * (load + 1)) / worker.share(now)


def _in_flight(worker: Worker, now: float) -> int:
    if now - worker.reported_at < _TRUSTED and worker.reported_in_flight > worker.in_flight:
        return worker.reported_in_flight
    return worker.in_flight
