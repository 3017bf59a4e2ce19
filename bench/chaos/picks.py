"""What a pick costs, in CPU time, and whether it allocates."""

from __future__ import annotations

import time
import tracemalloc
from dataclasses import dataclass

from edgeproxy.policy.balance import STRATEGIES
from edgeproxy.policy.worker import Worker

ROUNDS = 7
PICKS = 20_000


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds a pick, the call from Python included, which the compiled way has not; bytes that picks left behind."""

    strategy: str
    workers: int
    seconds: float
    grown: int


def costs() -> list[Cost]:
    return [_cost(name, size) for size in (10, 1000) for name in STRATEGIES]


def _cost(name: str, size: int) -> Cost:
    workers = [Worker(f"w{number}", "a", number) for number in range(size)]
    pick = STRATEGIES[name](1).pick
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        for number in range(PICKS):
            pick(workers, 1.0, None, 1 + number % 500)
        best = min(best, (time.process_time() - began) / PICKS)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(1000):
        pick(workers, 1.0, None, 7)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return Cost(name, size, best, grown)
