"""Strategies: one file each, one method each, chosen by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from edgeproxy.policy.balance.round_robin import RoundRobin
from edgeproxy.policy.worker import Worker


class Strategy(Protocol):
    """Chooses one of a pool's workers."""

    def pick(self, workers: Sequence[Worker], now: float, tried: Sequence[Worker] | None) -> Worker | None:
        """A worker that is available at `now` (monotonic seconds) and not in `tried`, or None."""


STRATEGIES: dict[str, Callable[[], Strategy]] = {"round_robin": RoundRobin}
