# cython: cdivision=True
"""Peak EWMA: the worker that is expected to answer first (Finagle's, with a fading memory).

`Worker.took` hears of errors with the pool's worst latency: one that refuses fast is not fast.
"""

from __future__ import annotations

from edgeproxy.policy.balance.base import Cheapest
from edgeproxy.policy.worker import Worker

_UNKNOWN = 0.001
"""Seconds that a worker of which nothing is known is expected to take: it gets a request, not all of them."""


class PeakEwma(Cheapest):
    """Expected latency times what is before us in its queue."""

    __slots__ = ()

    def cost(self, worker: Worker, now: float) -> float:
        return (_UNKNOWN + worker.expected(now)) * (worker.in_flight + 1) / worker.share(now)
