"""The machines of a simulated fleet, and how long requests take on them."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from random import Random

from edgeproxy.policy.worker import Worker


@dataclass(frozen=True, slots=True)
class Load:
    """`utilisation` of what the fleet can do; `tail` is the sigma of a lognormal service time of mean 1 (0: as long as
    the exponential's, that is M/M/k), `prefixes` how many different prompts there are, Zipf."""

    workers: int
    utilisation: float
    tail: float = 1.5
    slots: int = 1
    slow: float = 0.0
    slowness: float = 10.0
    deaths: float = 0.0
    prefixes: int = 1000

    @property
    def slow_workers(self) -> int:
        return round(self.workers * self.slow)

    @property
    def arrivals(self) -> float:
        """Requests a second, where a usual worker does `slots` a second."""
        able = self.workers - self.slow_workers + self.slow_workers / self.slowness
        return self.utilisation * able * self.slots


@dataclass(slots=True)
class Job:
    """One request: `work` in seconds on a usual machine, `key` of its prefix; `tried` fills at failures."""

    at: float
    work: float
    key: int
    tried: list[Worker] = field(default_factory=list)
    sent: float = 0.0


@dataclass(slots=True, eq=False)
class Machine:
    """Does `slots` jobs at once, each at its speed; the others wait in its queue."""

    worker: Worker
    slots: int
    speed: float = 1.0
    dead: bool = False
    served: int = 0
    busy: set[int] = field(default_factory=set)
    jobs: dict[int, Job] = field(default_factory=dict)
    queue: deque[int] = field(default_factory=deque)


def fleet(load: Load, dice: Random) -> list[Machine]:
    machines = [Machine(Worker(f"w{n}", "127.0.0.1", 1 + n % 65535), load.slots) for n in range(load.workers)]
    for machine in dice.sample(machines, load.slow_workers):
        machine.speed = 1.0 / load.slowness
    return machines


def work(load: Load, dice: Random) -> float:
    if load.tail == 0:
        return dice.expovariate(1.0)
    return dice.lognormvariate(-load.tail * load.tail / 2, load.tail)


def zipf(count: int) -> list[float]:
    """Cumulative weights of 1/1, 1/2, ..."""
    total, sums = 0.0, []
    for rank in range(1, count + 1):
        total += 1.0 / rank
        sums.append(total)
    return sums


def percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan
