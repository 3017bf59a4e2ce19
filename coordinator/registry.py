"""Who is in the fleet: records, leases, assignments. In memory; pure, `Now` is an argument and nothing waits.

A worker is live until its lease ends, and remembered until `REMOVED_AFTER`. What it reports to run is
believed; an old agent, which reports nothing (`services` None), is taken to run what it was assigned.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from coordinator import liveness, placement
from coordinator.events import EventLog
from coordinator.catalog import CATALOG, worker_type
from coordinator.placement import Member
from edgeproxy.cluster.messages import Heartbeat, Registration, ServiceReport, WorkerStatus
from edgeproxy.cluster.services import TIERS, WorkerType

MAX_WORKERS: Final = 10_000  # with the messages' own bounds some 200 MB at the very worst


@dataclass(frozen=True, slots=True)
class Now:
    """One moment on both clocks: `monotonic` seconds for ages, `wall` (UTC) for people."""

    monotonic: float
    wall: datetime


class RegistryFull(Exception):
    """No room for another worker."""


@dataclass(slots=True)
class Worker:
    """One record. `heard` and `lease` are seconds on the monotonic clock; `beat` is the last heartbeat, if
    any."""

    worker_id: str
    tunnel_url: str | None
    vpn_ip: str | None
    region: str | None
    capabilities: Mapping[str, Any]
    worker_type: WorkerType
    runnable: frozenset[str] | None
    services: tuple[ServiceReport, ...] | None
    registered_at: datetime
    last_heartbeat: datetime
    heard: float
    lease: float
    assigned: tuple[str, ...] = ()
    beat: Heartbeat | None = None
    tasks_completed: int = 0
    credential: bytes | None = None
    cordoned: bool = False
    draining: bool = False
    reached: bool | None = None

    @property
    def tier(self) -> int:
        return TIERS[self.worker_type]

    def status(self, now: Now) -> WorkerStatus:
        reported = "registered" if self.beat is None else self.beat.status
        return liveness.status(now.monotonic - self.heard, self.lease, reported)

    def lateness(self, now: Now) -> liveness.Lateness:
        return liveness.lateness(now.monotonic - self.heard, self.lease)

    def live(self, now: Now) -> bool:
        return self.lateness(now) != "gone"

    def running(self, now: Now) -> frozenset[str]:
        """The services that users get here at this moment."""
        if self.services is not None:
            on_time = self.lateness(now) == "on time"
            return frozenset(report.name for report in self.services if on_time and report.status == "healthy")
        return frozenset(self.assigned) if self.status(now) == "healthy" else frozenset()

    def member(self) -> Member:
        """What placement sees: a service that is starting counts, one that fails does not."""
        reports = {report.name: report.status for report in self.services or ()}
        up = {name for name, state in reports.items() if state == "healthy"}
        told = {name for name in self.assigned if reports.get(name) != "unhealthy"}
        return Member(self.worker_id, self.worker_type, self.assigned, frozenset(up | told), self.runnable)


@dataclass(slots=True)
class Registry:
    """All workers. `heartbeat_interval` is what agents are told; `new_id` names a worker that brings no
    name."""

    heartbeat_interval: float
    new_id: Callable[[], str]
    max_workers: int = MAX_WORKERS
    workers: dict[str, Worker] = field(default_factory=dict)
    events: EventLog = field(default_factory=EventLog)
    started: float | None = None
    _gaps: frozenset[str] = frozenset()
    _gaps_until: float = 0.0

    def register(self, registration: Registration, now: Now) -> Worker:
        """Take a worker in, or in again: the same machine keeps its id, its services and its first day."""
        self.settled(now)
        worker_id = registration.worker_id or self._free_id()
        old = self.workers.get(worker_id)
        if old is None and len(self.workers) >= self.max_workers:
            raise RegistryFull
        worker = _record(worker_id, registration, now, old)
        worker.lease = liveness.lease(self.heartbeat_interval, registration.services is not None)
        worker.assigned = _had(old, registration)
        self.workers[worker_id] = worker
        self._tell(worker, placement.assign(worker.member(), self._fleet(now)))
        if old is not None:
            worker.cordoned, worker.draining, worker.credential = old.cordoned, old.draining, old.credential
        self.events.add("registered", now.wall, worker_id, "healthy")
        return worker

    def heartbeat(self, heartbeat: Heartbeat, now: Now) -> Worker | None:
        """Renew a lease and take in what the worker reports; None for a worker that must register (again).
        Gaps are mended here, unless the registry is too young to know who else is there."""
        worker = self.workers.get(heartbeat.worker_id)
        if worker is None:
            return None
        settled = self.settled(now)
        worker.beat, worker.heard, worker.last_heartbeat = heartbeat, now.monotonic, now.wall
        if heartbeat.services is not None and worker.services != tuple(heartbeat.services):
            self.events.add("changed", now.wall, worker.worker_id, "healthy")
        if heartbeat.services is not None:
            worker.services = tuple(heartbeat.services)
            worker.lease = liveness.lease(self.heartbeat_interval, reports_services=True)
        if settled and self._uncovered(now) & placement.possible(worker.member()):
            self._tell(worker, placement.mend(worker.member(), self._fleet(now)))
        return worker

    @property
    def interval(self) -> float:
        return self.heartbeat_interval

    def settled(self, now: Now) -> bool:
        if self.started is None:
            self.started = now.monotonic
        return now.monotonic - self.started >= 3 * self.heartbeat_interval

    def advance(self, now: Now) -> None:
        for worker_id in self.sweep(now):
            self.events.add("forgotten", now.wall, worker_id)

    def unregister(self, worker_id: str, now: Now) -> bool:
        self._gaps_until = 0.0
        if self.workers.pop(worker_id, None) is None:
            return False
        self.events.add("left", now.wall, worker_id)
        return True

    def drain(self, worker_id: str, now: Now) -> bool:
        return self._order(worker_id, now, True, True, "draining")

    def cordon(self, worker_id: str, now: Now) -> bool:
        return self._order(worker_id, now, True, False, "cordoned")

    def resume(self, worker_id: str, now: Now) -> bool:
        return self._order(worker_id, now, False, False, "resumed")

    def _order(self, worker_id: str, now: Now, cordoned: bool, draining: bool, why: str) -> bool:
        worker = self.workers.get(worker_id)
        if worker is None:
            return False
        worker.cordoned, worker.draining = cordoned, draining
        self.events.add("changed", now.wall, worker_id, worker.status(now), why)
        return True

    def broken(self, worker_id: str, now: Now) -> None:
        pass

    def observed(self, worker_id: str, load: float, now: Now) -> None:
        pass

    def sweep(self, now: Now) -> list[str]:
        """Forget the workers that have been silent for too long; their ids."""
        silent = [
            worker.worker_id
            for worker in self.workers.values()
            if now.monotonic - worker.heard >= liveness.REMOVED_AFTER
        ]
        for worker_id in silent:
            del self.workers[worker_id]
        return silent

    def live(self, now: Now) -> list[Worker]:
        """Those that may be routed to: healthy and degraded ones, by id."""
        return sorted((w for w in self.workers.values() if w.live(now)), key=lambda w: w.worker_id)

    def running(self, now: Now) -> dict[str, list[Worker]]:
        """Who serves each service at this moment, by id."""
        found: dict[str, list[Worker]] = {}
        for worker in self.live(now):
            for name in worker.running(now):
                found.setdefault(name, []).append(worker)
        return found

    def _tell(self, worker: Worker, assigned: tuple[str, ...]) -> None:
        worker.assigned = assigned
        self._gaps_until = 0.0

    def _uncovered(self, now: Now) -> frozenset[str]:
        """The critical gaps, worked out once a second: heartbeats are many, gaps are few."""
        if now.monotonic >= self._gaps_until:
            self._gaps = frozenset(CATALOG) - placement.coverage(self._fleet(now)).keys()
            self._gaps_until = now.monotonic + 1
        return self._gaps

    def _fleet(self, now: Now) -> list[Member]:
        return [worker.member() for worker in self.workers.values() if worker.live(now)]

    def _free_id(self) -> str:
        while (worker_id := self.new_id()) in self.workers:
            pass
        return worker_id


def _record(worker_id: str, registration: Registration, now: Now, old: Worker | None) -> Worker:
    return Worker(
        worker_id=worker_id,
        tunnel_url=registration.tunnel_url,
        vpn_ip=registration.vpn_ip,
        region=registration.region,
        capabilities=registration.capabilities,
        worker_type=worker_type(registration.capabilities),
        runnable=None if registration.runnable is None else frozenset(registration.runnable),
        services=_reports(registration),
        registered_at=old.registered_at if old else now.wall,
        last_heartbeat=now.wall,
        heard=now.monotonic,
        lease=0.0,
        tasks_completed=old.tasks_completed if old else 0,
    )


def _reports(registration: Registration) -> tuple[ServiceReport, ...] | None:
    """What runs, as the registration tells it; one older generation calls it `containers` and has no URL of
    its own."""
    if registration.services is not None:
        return tuple(registration.services)
    if registration.tunnel_url is None and registration.containers:
        return tuple(registration.containers)
    return None


def _had(old: Worker | None, registration: Registration) -> tuple[str, ...]:
    """What a worker had before: by our record, or, where we have forgotten it, by what it says it runs."""
    if old is not None:
        return old.assigned
    return tuple(_names(registration.services or ()))


def _names(reports: Iterable[ServiceReport]) -> list[str]:
    return list(dict.fromkeys(report.name for report in reports))
