"""Who runs what: keeps the fleet's counts in step with the records, and turns placement's steps into
assignments that the next heartbeats carry. Pure.

Two rules make placement's plans harmless. A worker gives a service up only when users get that service from
somebody else already: of a chain of swaps the end goes first, and the rest follows with its reports. And what
is short but not gone waits a minute before it disturbs anybody: most workers that vanish come back.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from coordinator import placement
from coordinator.fleet import Fleet, Member
from coordinator.placement import Step
from coordinator.record import Now, Worker

OBEYS_WITHIN: Final = 60.0  # told, and not even reported as starting by then: it cannot or does not want to
PATIENCE: Final = 60.0  # that a service is short before a worker is disturbed for it
HANDOVER: Final = 120.0  # that a draining worker waits for somebody to take over, model loading included
LONG_AGO: Final = float("-inf")
LOOK_AGAIN: Final = 0.5  # between two looks whether a draining worker can go
LEAST_GAP: Final = 0.1  # between two repairs, and as many seconds more as there are millions of workers
PER_WORKER: Final = 1e-5


@dataclass(slots=True)
class Assignments:
    """`told` is called when what a worker shall run has changed."""

    fleet: Fleet
    workers: Mapping[str, Worker]
    told: Callable[[Worker, Now, str], None]
    draining: dict[str, float] = field(default_factory=dict)
    _dirty: bool = False
    _not_before: float = 0.0
    _next_handover: float = 0.0
    _short_since: dict[int, float] = field(default_factory=dict)

    def admit(self, worker: Worker, had: Iterable[str], now: Now) -> None:
        """What a worker that registers shall run; it is not in the fleet."""
        catalog = self.fleet.catalog
        held = placement.returning(self.fleet, worker.kind, catalog.mask(had)) if not worker.cordoned else 0
        worker.assigned, worker.told_at, worker.waits = catalog.names(held), now.monotonic, held != 0

    def refresh(self, worker: Worker, now: Now) -> None:
        """Its place in the fleet, by its record as it is now."""
        old, new = worker.member, self._member(worker, now) if worker.live else None
        if old == new:
            return
        if old is not None:
            self.fleet.remove(old)
        worker.member = None if new is None else self.fleet.add(new)
        self._dirty = True

    def forget(self, worker: Worker) -> None:
        self.draining.pop(worker.worker_id, None)
        if worker.member is not None:
            self.fleet.remove(worker.member)
            worker.member, self._dirty = None, True

    def overdue(self, worker: Worker, now: Now) -> bool:
        """Whether it was told to run something, and has had the time to begin."""
        return worker.waits and now.monotonic >= worker.told_at + OBEYS_WITHIN

    def drain(self, worker: Worker, now: Now) -> None:
        self.draining[worker.worker_id] = now.monotonic
        self._dirty = True

    def mend(self, now: Now) -> None:
        """Repair what is short, if anything has changed since the last time."""
        if self.draining and now.monotonic >= self._next_handover:
            self._next_handover = now.monotonic + LOOK_AGAIN + 5 * PER_WORKER * self.fleet.size
            self._hand_over(now)
        if not self._dirty or now.monotonic < self._not_before:
            return
        self._not_before = now.monotonic + LEAST_GAP + PER_WORKER * self.fleet.size
        self._dirty = False
        if steps := placement.repair(self.fleet, self._may_displace(now)):
            self._take(steps, now)

    def _member(self, worker: Worker, now: Now) -> Member:
        catalog = self.fleet.catalog
        reports = worker.states()
        up = catalog.mask(name for name, state in reports.items() if state == "healthy")
        failing = catalog.mask(name for name, state in reports.items() if state == "unhealthy")
        held, unseen = catalog.mask(worker.assigned), 0
        if worker.reports is not None:
            unseen = held & ~catalog.mask(reports)
            worker.waits = unseen != 0 and not self._is_late(worker, now)
        late = unseen if unseen and not worker.waits else 0
        if not worker.waits:
            worker.told_at = LONG_AGO  # one object for all
        useless = worker.draining or (worker.hidden and worker.reached is False)
        serving = 0 if useless else (up | held) & ~failing & ~late
        steady = worker.reports is not None and worker.suspicion is None
        closed = worker.cordoned or worker.unverified or worker.hidden
        return Member(worker.kind, held, serving, steady and not closed)

    def _is_late(self, worker: Worker, now: Now) -> bool:
        return now.monotonic >= worker.told_at + OBEYS_WITHIN

    def _may_displace(self, now: Now) -> int:
        """Services that have been short for long enough to disturb somebody; while one waits, look again."""
        short = self.fleet.gaps()
        self._short_since = {index: self._short_since.get(index, now.monotonic) for index in short}
        ripe = [index for index, since in self._short_since.items() if now.monotonic >= since + PATIENCE]
        self._dirty = self._dirty or len(ripe) < len(short)
        return sum(1 << index for index in ripe)

    def _take(self, steps: list[Step], now: Now) -> None:
        """Give each step to a worker of its sort, the first by id."""
        wanted = Counter(step.member for step in steps)
        candidates: dict[Member, list[Worker]] = {member: [] for member in wanted}
        for worker in self.workers.values():
            if worker.member in candidates:
                candidates[worker.member].append(worker)
        for member, workers in candidates.items():
            workers.sort(key=lambda worker: worker.worker_id, reverse=True)
            del workers[: -wanted[member]]
        served = self._served(steps)
        for step in steps:
            worker = candidates[step.member].pop()
            if all(served[name] > (name in worker.running()) for name in self.fleet.catalog.names(step.stops)):
                served.subtract(name for name in self.fleet.catalog.names(step.stops) if name in worker.running())
                self._tell(worker, step.held, now, "to close a gap")

    def _served(self, steps: list[Step]) -> Counter[str]:
        """How many workers users get each service from, if any step would stop one."""
        if not any(step.stops for step in steps):
            return Counter()
        return self._running()

    def _running(self) -> Counter[str]:
        return Counter(name for worker in self.workers.values() if worker.live for name in worker.running())

    def _tell(self, worker: Worker, held: int, now: Now, why: str) -> None:
        worker.assigned, worker.told_at = self.fleet.catalog.names(held), now.monotonic
        self.told(worker, now, why)
        self.refresh(worker, now)

    def _hand_over(self, now: Now) -> None:
        """A draining worker loses a service once another serves it, or once it has waited long enough."""
        running = self._running()
        staying = running - Counter(name for worker_id in self.draining for name in self.workers[worker_id].running())
        for worker_id, since in list(self.draining.items()):
            worker = self.workers[worker_id]
            over = now.monotonic >= since + HANDOVER
            left = [name for name in worker.assigned if not over and not staying[name]]
            if len(left) < len(worker.assigned):
                self._tell(worker, self.fleet.catalog.mask(left), now, "handed over")
            if not left:
                del self.draining[worker_id]
