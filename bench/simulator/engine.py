"""The events: a request comes, a job is done, a machine dies, comes back, or is checked."""

from __future__ import annotations

import heapq
from bisect import bisect
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from bench.simulator.fleet import Job, Load, Machine, fleet, percentile, work, zipf
from edgeproxy.policy import health
from edgeproxy.policy.balance.base import Strategy
from edgeproxy.policy.hashing import mix
from edgeproxy.policy.retry import MAX_FAILOVERS
from edgeproxy.policy.worker import Worker

CHECK_EVERY = 5.0
DOWN_FOR = 60.0
"""Seconds from a machine's death to its return."""
WARM_UP = 0.2
"""Of the requests, which are not counted: the fleet was empty before them."""


@dataclass(slots=True)
class Outcome:
    """Of one run. `hits`: requests whose prefix their machine had served before."""

    seconds: list[float] = field(default_factory=list)
    errors: int = 0
    imbalance: float = 0.0
    hits: int = 0

    def at(self, share: float) -> float:
        return percentile(self.seconds, share)

    @property
    def mean(self) -> float:
        return sum(self.seconds) / len(self.seconds)

    @property
    def error_share(self) -> float:
        return self.errors / (self.errors + len(self.seconds))


class Simulation:
    """`requests` requests through one strategy; the same seed brings the same requests to every strategy.

    With `one_queue`, machines have no queues of their own and jobs wait before them all, as behind in-flight caps.
    """

    def __init__(self, strategy: Strategy, load: Load, requests: int, seed: int, *, one_queue: bool = False) -> None:
        self._strategy, self._load, self._left = strategy, load, requests
        self._arrivals, self._chances = Random(seed), Random(seed + 1)
        self._machines = fleet(load, Random(seed + 2))
        self._by_worker = {machine.worker: machine for machine in self._machines}
        self._workers = [machine.worker for machine in self._machines]
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0
        self._skip = int(requests * WARM_UP)
        self._zipf = zipf(load.prefixes)
        self._known: dict[Worker, set[int]] = {worker: set() for worker in self._workers}
        self._waiting: deque[Job] = deque()
        self.now = 0.0
        self.outcome = Outcome()
        if one_queue:
            for worker in self._workers:
                worker.slots = load.slots

    def run(self) -> Outcome:
        self._after(0.0, self._arrive)
        if self._load.deaths:
            self._after(self._chances.expovariate(self._load.deaths), self._die)
        while self._events:
            self.now, _, what, arguments = heapq.heappop(self._events)
            what(*arguments)
        self.outcome.seconds.sort()
        served = [machine.served for machine in self._machines]
        self.outcome.imbalance = max(served) * len(served) / max(1, sum(served))
        return self.outcome

    def _after(self, seconds: float, what: Callable[..., None], *arguments: Any) -> None:
        self._count += 1
        heapq.heappush(self._events, (self.now + seconds, self._count, what, arguments))

    def _arrive(self) -> None:
        dice = self._arrivals
        key = mix(1 + bisect(self._zipf, dice.random() * self._zipf[-1])) or 1
        self._place(Job(self.now, work(self._load, dice), key))
        self._left -= 1
        if self._left > 0:
            self._after(dice.expovariate(self._load.arrivals), self._arrive)

    def _place(self, job: Job) -> None:
        worker = self._strategy.pick(self._workers, self.now, job.tried or None, job.key)
        if worker is None:
            if len(job.tried) >= len(self._workers):
                self.outcome.errors += 1
            else:
                self._waiting.append(job)
            return
        machine = self._by_worker[worker]
        job.sent = self.now
        if machine.dead:
            self._fail(job, worker, unreached=True)
            return
        worker.begin(self.now)
        number = self._count = self._count + 1
        machine.jobs[number] = job
        machine.queue.append(number)
        self._work(machine)

    def _work(self, machine: Machine) -> None:
        while machine.queue and len(machine.busy) < machine.slots:
            number = machine.queue.popleft()
            machine.busy.add(number)
            self._after(machine.jobs[number].work / machine.speed, self._done, machine, number)

    def _done(self, machine: Machine, number: int) -> None:
        job = machine.jobs.pop(number, None)
        if job is None:
            return  # it died with the machine
        machine.busy.discard(number)
        worker = machine.worker
        worker.in_flight -= 1
        worker.took(self.now - job.sent, self.now)
        worker.reported_at, worker.reported_in_flight = self.now, len(machine.jobs)
        worker.succeeded(self.now)
        machine.served += 1
        self._finish(job, worker)
        self._work(machine)
        if self._waiting:
            self._place(self._waiting.popleft())

    def _finish(self, job: Job, worker: Worker) -> None:
        known = job.key in self._known[worker]
        self._known[worker].add(job.key)
        if self._skip > 0:
            self._skip -= 1
        else:
            self.outcome.seconds.append(self.now - job.at)
            self.outcome.hits += known

    def _fail(self, job: Job, worker: Worker, *, unreached: bool) -> None:
        worst = max((each.latency for each in self._workers[:64]), default=0.0)
        worker.took(max(worker.latency, worst), self.now)
        health.failed(worker, self._workers, self.now, unreached=unreached)
        job.tried.append(worker)
        if len(job.tried) > MAX_FAILOVERS:
            self.outcome.errors += 1
        else:
            self._place(job)

    def _die(self) -> None:
        machine = self._chances.choice(self._machines)
        if not machine.dead:
            machine.dead = True
            jobs, machine.jobs = list(machine.jobs.values()), {}
            machine.busy.clear()
            machine.queue.clear()
            machine.worker.in_flight = 0
            self._after(self._chances.uniform(0, CHECK_EVERY), self._checked, machine)
            self._after(DOWN_FOR, self._return, machine)
            for job in jobs:
                self._fail(job, machine.worker, unreached=False)
        if self._left > 0:
            self._after(self._chances.expovariate(self._load.deaths), self._die)

    def _return(self, machine: Machine) -> None:
        machine.dead = False
        self._after(self._chances.uniform(0, CHECK_EVERY), self._checked, machine)

    def _checked(self, machine: Machine) -> None:
        machine.worker.probed(not machine.dead, self.now)
