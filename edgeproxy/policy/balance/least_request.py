# cython: cdivision=True
"""Least request: the worker with the fewest requests in flight for its weight."""

from __future__ import annotations

from edgeproxy.policy.balance.base import Cheapest
from edgeproxy.policy.worker import Worker


class LeastRequest(Cheapest):
    """Counts only what this process sends; with many processes, the random start keeps them from moving as a herd."""

    __slots__ = ()

    def cost(self, worker: Worker, now: float) -> float:
        return (worker.in_flight + 1) / worker.share(now)
