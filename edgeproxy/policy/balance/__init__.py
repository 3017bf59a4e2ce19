"""Strategies: one file each, one method each, chosen by name."""

from __future__ import annotations

from collections.abc import Callable

from edgeproxy.policy.balance.base import Strategy
from edgeproxy.policy.balance.least_request import LeastRequest
from edgeproxy.policy.balance.peak_ewma import PeakEwma
from edgeproxy.policy.balance.prefix_affinity import prefix_affinity
from edgeproxy.policy.balance.prequal import Prequal
from edgeproxy.policy.balance.round_robin import RoundRobin

PREFIX_AFFINITY = "prefix_affinity"

STRATEGIES: dict[str, Callable[[int | None], Strategy]] = {
    "round_robin": RoundRobin,
    "least_request": LeastRequest,
    "peak_ewma": PeakEwma,
    PREFIX_AFFINITY: prefix_affinity,
    "prequal": Prequal,
}
"""By name; each is made with a seed, None for chance."""

__all__ = ["PREFIX_AFFINITY", "STRATEGIES", "Strategy"]
