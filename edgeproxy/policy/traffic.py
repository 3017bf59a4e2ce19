"""What is under way in one pool, and the budgets that keep help from doing harm: retries, hedges, the queue."""

from __future__ import annotations

from collections import deque
from typing import Any

from edgeproxy.clock import FOREVER

RETRY_SHARE = 0.2
"""Of the requests in flight that may be retries: a pool that fails is not asked several times over."""
RETRY_LEAST = 3
HEDGE_BURST = 10.0
_HEDGE_SHARE = 0.05
_HEDGE_BURST = HEDGE_BURST  # for C

P95 = 0.95
_STEP = 0.05
_SHORTEST = 0.0001
_ENOUGH = 20
"""Answers before which nothing is known."""

SILENT_TIMES = 8.0
SILENT_LEAST = 0.4
"""Seconds without one word to several requests that no busy machine needs where others take milliseconds."""


class Traffic:
    """One pool's, kept from worker list to worker list.

    `p95` is an estimate of the first byte's 95th percentile in seconds: each answer above it lifts it by 4.75 %, each
    below lowers it by 0.25 %, which is in balance where one in twenty is above. `worst` is the longest of late, which
    is what an error counts as. `queue` holds exchanges that wait for a worker.
    """

    __slots__ = (
        "answers",
        "hedges",
        "in_flight",
        "p95",
        "queue",
        "queue_limit",
        "queue_seconds",
        "retrying",
        "worst",
        "worst_at",
    )

    def __init__(self, queue_limit: int = 1024, queue_seconds: float = 10.0) -> None:
        self.in_flight = 0
        self.retrying = 0
        self.p95 = 0.0
        self.worst = 0.0
        self.worst_at = -FOREVER
        self.answers = 0
        self.hedges = _HEDGE_BURST
        self.queue: deque[Any] = deque()
        self.queue_limit = queue_limit
        self.queue_seconds = queue_seconds

    def answered(self, seconds: float, now: float) -> None:
        """A worker began its answer after so long."""
        self.answers += 1
        if self.hedges < _HEDGE_BURST:
            self.hedges += _HEDGE_SHARE
        if seconds > self.worst or now - self.worst_at > 60.0:
            self.worst, self.worst_at = seconds, now
        if self.answers == 1:
            self.p95 = max(seconds, _SHORTEST)
        elif seconds > self.p95:
            self.p95 *= 1.0 + _STEP * P95
        elif self.p95 > _SHORTEST:
            self.p95 *= 1.0 - _STEP * (1.0 - P95)

    def hedge_after(self) -> float:
        """How long a request waits before another worker is asked too."""
        return self.p95 if self.answers >= _ENOUGH else FOREVER

    def silent_after(self) -> float:
        """How long a worker may say nothing to several requests."""
        return max(SILENT_LEAST, SILENT_TIMES * self.p95) if self.answers >= _ENOUGH else FOREVER

    def may_retry(self) -> bool:
        return self.retrying < max(RETRY_LEAST, RETRY_SHARE * self.in_flight)

    def take_hedge(self) -> bool:
        """Whether the budget allows one more; a twentieth of a hedge comes with each answer."""
        if self.hedges < 1.0:
            return False
        self.hedges -= 1.0
        return True
