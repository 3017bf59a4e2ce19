"""Who is in the fleet: records, their lives, what they shall run. In memory; pure, `Now` is an argument and
nothing waits.

Every method first lets time pass (`advance`): what is late becomes suspect, offline, forgotten, and gaps are
mended. Changes are told in `events`, in order. What is to be done on a wire, probes, waits in `take_probes`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from coordinator.assignments import Assignments
from coordinator.catalog import CATALOG, Catalog, worker_type
from coordinator.events import EventLog, Kind
from coordinator.fleet import Fleet, kind_of
from coordinator.liveness import DEAD_AFTER, Status
from coordinator.pace import Pace
from coordinator.packing import pack_reports
from coordinator.record import ORDERS, Now, Verdict, Worker, distinct, facts_of, reports_of
from coordinator.resources import of_machine
from coordinator.watch import Probe, Watch
from coordinator.wheel import TICK
from edgeproxy.cluster.messages import Heartbeat, Registration, ServiceReport

__all__ = ["Now", "Registry", "RegistryFull", "StaleIncarnation", "Worker"]

MAX_WORKERS: Final = 100_000
MOST_REMEMBERED: Final = 10_000  # of those who left
MAX_BYTES: Final = 256 * 1024 * 1024  # of what workers say of themselves; usual ones say 300 bytes
LOAD_STEPS: Final = 8
REACH_AGAIN: Final = 30.0  # seconds between two tries to reach a worker that is hidden


class RegistryFull(Exception):
    """No room for another worker, or for what this one says of itself."""


class StaleIncarnation(Exception):
    """The heartbeat is of a worker's earlier life: it has registered again since, or another has with its
    id."""


@dataclass(slots=True)
class Registry:
    """All workers. `heartbeat_interval` is the shortest that agents are told; `new_id` names a worker that
    brings no name. `dial_back`: a worker is shown to edges when we, or a peer, have reached it. `left` are
    those that said good-bye before we were settled."""

    heartbeat_interval: float
    new_id: Callable[[], str]
    max_workers: int = MAX_WORKERS
    catalog: Catalog = field(default_factory=lambda: CATALOG)
    max_bytes: int = MAX_BYTES
    dial_back: bool = False
    events: EventLog = field(default_factory=EventLog)
    workers: dict[str, Worker] = field(default_factory=dict)
    used_bytes: int = 0
    started: float | None = None
    unverified: int = 0
    left: dict[str, None] = field(default_factory=dict)
    watch: Watch = field(init=False)
    pace: Pace = field(init=False)
    assignments: Assignments = field(init=False)
    _next: float = float("-inf")
    _was_settled: bool = False

    def __post_init__(self) -> None:
        self.pace = Pace(self.heartbeat_interval)
        self.assignments = Assignments(Fleet(self.catalog), self.workers, self._told)
        self.watch = Watch(self.workers.get, self._change, self._forget, self._announce, self._count_live)

    @property
    def interval(self) -> float:
        """Seconds between heartbeats, for answers."""
        return self.pace.interval(len(self.workers))

    def advance(self, now: Now) -> None:
        """Let time pass. Cheap if it has not."""
        if now.monotonic < self._next:
            return
        self._next = now.monotonic + TICK
        if self.started is None:
            self.started = now.monotonic
        self.watch.pass_time(now)
        if self.settled(now):
            if not self._was_settled:
                self._was_settled = True
                self._announce(now, "the list is settled")
            self.assignments.mend(now)

    def settled(self, now: Now) -> bool:
        """Whether every worker that was there before we started has had the time to come back."""
        since = now.monotonic if self.started is None else self.started
        return now.monotonic - since >= DEAD_AFTER * self.heartbeat_interval

    def register(self, registration: Registration, now: Now, *, near: bool = False) -> Worker:
        """Take a worker in, or in again: the same machine keeps its id, its services and its first day. `near`: a
        program of our own machine asks, so its word on where the worker is does."""
        self.advance(now)
        worker_id = registration.worker_id or self._free_id()
        old = self.workers.get(worker_id)
        worker = self._record(worker_id, registration, old, now)
        worker.near = near
        worker.hidden = not near and self._must_show(worker, old)
        self._make_room(old, worker)
        had = old.assigned if old else distinct([report.name for report in registration.services or ()])
        if old is not None:
            self._retire(old)
        self.workers[worker_id] = worker
        self.left.pop(worker_id, None)
        self.used_bytes += worker.size
        self.assignments.admit(worker, had, now)
        worker.status = worker.resting_status()
        if worker.draining:
            self.assignments.drain(worker, now)
        self._note("registered", worker, now, "again" if old else "")
        self.assignments.refresh(worker, now)
        self.watch.follow(worker, now)
        self.watch.reach(worker)
        return worker

    def heartbeat(self, heartbeat: Heartbeat, now: Now) -> Worker | None:
        """Take in that a worker lives, and what it reports; None for one that must register (again)."""
        self.advance(now)
        worker = self.workers.get(heartbeat.worker_id)
        if worker is None:
            return None
        if heartbeat.incarnation is not None and heartbeat.incarnation != worker.incarnation:
            raise StaleIncarnation
        before, slow, same = worker.size, worker.beat_interval, worker.says_what_it_said(heartbeat)
        hosts = None if same or worker.near or not self.dial_back else worker.hosts()
        again = worker.hidden and now.monotonic // REACH_AGAIN != worker.heard // REACH_AGAIN
        worker.heard, worker.interval = now.monotonic, self.interval
        changed = worker.take_in(heartbeat, same)
        self.used_bytes += worker.size - before
        if hosts is not None and not worker.hosts() <= hosts:
            worker.hidden, worker.reached = True, None
        if again:
            self.watch.reach(worker)
        if worker.beat_interval < slow:
            self.watch.follow(worker, now)
        if changed or worker.suspicion or worker.unverified or not (worker.has_beaten and worker.live):
            self._revive(worker, now, changed)
        elif self.assignments.overdue(worker, now):
            self._revive(worker, now, changed=False)
        self._note_load(worker, now)
        return worker

    def unregister(self, worker_id: str, now: Now) -> bool:
        """A worker says good-bye, or an operator removes it."""
        self.advance(now)
        worker = self.workers.get(worker_id)
        if worker is None:
            return False
        self._remove(worker)
        self.left[worker_id] = None
        if len(self.left) > MOST_REMEMBERED:
            del self.left[next(iter(self.left))]
        self._note("left", worker, now)
        return True

    def drain(self, worker_id: str, now: Now) -> bool:
        """Take its services from it, each when another serves it; it gets no new ones."""
        return self._order(worker_id, now, cordoned=True, draining=True, why="by order")

    def cordon(self, worker_id: str, now: Now) -> bool:
        """It keeps what it runs and gets nothing new."""
        return self._order(worker_id, now, cordoned=True, draining=False, why="cordoned")

    def resume(self, worker_id: str, now: Now) -> bool:
        """The end of a cordon or drain."""
        return self._order(worker_id, now, cordoned=False, draining=False, why="resumed")

    def broken(self, worker_id: str, now: Now) -> None:
        """The connection by which a worker sends its heartbeats broke."""
        self.advance(now)
        if (worker := self.workers.get(worker_id)) is not None:
            self.watch.broken(worker, now)

    def left_out(self, service: str, url: str, now: Now) -> str | None:
        """An edge has stopped asking the worker that serves there: it is probed at once. Its id, None for nobody's.
        An edge's word costs a live worker nothing but a probe."""
        for worker in self.running(now).get(service, ()):
            if worker.serves_at(service, url.rstrip("/")):
                self.watch.broken(worker, now)
                return worker.worker_id
        return None

    def observed(self, worker_id: str, load: float, now: Now) -> None:
        """What a proxy sees of a worker's load; it is good for half a minute."""
        self.advance(now)
        if (worker := self.workers.get(worker_id)) is not None:
            worker.seen = (load, now.monotonic)
            self._note_load(worker, now)

    def take_probes(self, most: int) -> list[Probe]:
        """Probes to be made, doubts first; their outcome goes to `probed`."""
        return list(islice(self.watch.probes(), most))

    def probed(
        self,
        worker_id: str,
        incarnation: int,
        now: Now,
        *,
        direct: Verdict | None = None,
        peer: Verdict | None = None,
        url: str | None = None,
    ) -> None:
        """What a probe of `url` brought. One of an earlier incarnation says nothing of this one, and one of
        another address does not show that it is where it says now."""
        self.advance(now)
        worker = self.workers.get(worker_id)
        if worker is None or worker.incarnation != incarnation:
            return
        if self.watch.stalls.standing(now.monotonic):  # it is us who did not listen
            direct, peer = _unless_silent(direct), _unless_silent(peer)
        self.watch.told(worker, direct, peer, now)
        if worker.hidden and "alive" in (direct, peer) and url in (None, worker.probe_url()):
            worker.hidden = False
            self._note("changed", worker, now, "it was reached")
        if worker.live:
            self.assignments.refresh(worker, now)

    def stalled(self, start: float, end: float) -> None:
        """We stood still from `start` to `end` (monotonic): nobody is late for that, nor for as long again (an
        interval at most), in which what waits in our sockets is heard."""
        self.watch.stalls.excuse(start, end + min(end - start, self.interval))

    def gone(self, now: Now) -> list[str]:
        """Of whom edges shall not wait for a return, while the list makes them wait: we do not know everybody yet, or
        it is empty. Of an empty one those who said good-bye alone: that all others died at once is hard to believe."""
        if not self.settled(now):
            return sorted(self.left.keys() | {worker.worker_id for worker in self.workers.values() if not worker.live})
        return [] if any(worker.routable for worker in self.workers.values()) else sorted(self.left)

    def live(self, now: Now) -> list[Worker]:
        """Those that may be routed to, by id."""
        self.advance(now)
        return sorted((w for w in self.workers.values() if w.routable), key=lambda w: w.worker_id)

    def running(self, now: Now) -> dict[str, list[Worker]]:
        """Who serves each service at this moment, by id."""
        found: dict[str, list[Worker]] = {}
        for worker in self.live(now):
            for name in worker.running():
                found.setdefault(name, []).append(worker)
        return found

    def restore(self, workers: Iterable[Worker], now: Now) -> None:
        """Take in the records of a snapshot: unverified, routable, and with the time of a lease to be heard."""
        for worker in workers:
            if worker.worker_id in self.workers or len(self.workers) >= self.max_workers:
                continue
            worker.unverified, worker.heard, worker.interval = worker.live, now.monotonic, self.interval
            self.workers[worker.worker_id] = worker
            self.used_bytes += worker.size
            self.unverified += worker.unverified
            self.assignments.refresh(worker, now)
            self.watch.follow(worker, now)
            self.watch.reach(worker)
            if worker.draining:
                self.assignments.drain(worker, now)

    def _record(self, worker_id: str, registration: Registration, old: Worker | None, now: Now) -> Worker:
        kind = worker_type(registration.capabilities)
        reports = reports_of(registration)
        return Worker(
            worker_id=worker_id,
            facts=facts_of(registration),
            kind=kind_of(self.catalog, kind, of_machine(registration.capabilities), registration.runnable),
            worker_type=kind,
            registered=old.registered if old else now.wall.timestamp(),
            heard=now.monotonic,
            interval=self.interval,
            lives=old.lives + 1 if old else 0,
            reports=None if reports is None else pack_reports(reports),
            flags=ORDERS & old.flags if old else 0,
            credential=old.credential if old else None,
        )

    def _must_show(self, worker: Worker, old: Worker | None) -> bool:
        """Whether it must show that it can be reached: at a host that it has not been reached at."""
        known = old.hosts() if old is not None and not old.hidden else set()
        return self.dial_back and not worker.hosts() <= known

    def _make_room(self, old: Worker | None, new: Worker) -> None:
        freed = old.size if old else 0
        if (old is None and len(self.workers) >= self.max_workers) or (
            self.used_bytes - freed + new.size > self.max_bytes
        ):
            raise RegistryFull

    def _revive(self, worker: Worker, now: Now, changed: bool) -> None:
        self.watch.heard(worker, now)
        if not worker.live:
            self.watch.follow(worker, now)
        if worker.unverified:
            worker.unverified = False
            self.unverified -= 1
        worker.has_beaten = True
        self.assignments.refresh(worker, now)
        status = worker.resting_status()
        if status != worker.status:
            self._change(worker, status, now, "")
        elif changed:
            self._note("changed", worker, now)
        if changed and not worker.reached:
            self.watch.reach(worker)

    def _order(self, worker_id: str, now: Now, *, cordoned: bool, draining: bool, why: str) -> bool:
        self.advance(now)
        worker = self.workers.get(worker_id)
        if worker is None:
            return False
        worker.cordoned, worker.draining = cordoned, draining
        if draining:
            self.assignments.drain(worker, now)
        else:
            self.assignments.draining.pop(worker_id, None)
        status = worker.resting_status()
        if worker.live and worker.suspicion is None and worker.status != status:
            self._change(worker, status, now, why)
        else:
            self._note("changed", worker, now, why)
            self.assignments.refresh(worker, now)
        return True

    def _change(self, worker: Worker, status: Status, now: Now, why: str) -> None:
        caution = self.watch.caution
        caution.suspects += (status == "suspect") - (worker.status == "suspect")
        worker.status = status
        self._note("status", worker, now, why)
        self.assignments.refresh(worker, now)

    def _forget(self, worker: Worker, now: Now) -> None:
        self._remove(worker)
        self._note("forgotten", worker, now)

    def _remove(self, worker: Worker) -> None:
        self._retire(worker)
        del self.workers[worker.worker_id]

    def _retire(self, worker: Worker) -> None:
        """Out of every count; its alarm is void."""
        self.used_bytes -= worker.size
        self.unverified -= worker.unverified
        self.watch.caution.suspects -= worker.status == "suspect"
        worker.alarm = None
        self.assignments.forget(worker)

    def _note(self, kind: Kind, worker: Worker, now: Now, why: str = "") -> None:
        self.events.add(kind, now.wall, worker.worker_id, worker.status, why)

    def _note_load(self, worker: Worker, now: Now) -> None:
        """A step of an eighth is news, and only when it is well past the step."""
        load = worker.load(now) * LOAD_STEPS
        if abs(load - worker.load_step) >= 1:
            worker.load_step = min(round(load), 1000)
            self._note("load", worker, now, f"{worker.load(now):.2f}")

    def _announce(self, now: Now, what: str) -> None:
        self.events.add("fleet", now.wall, detail=what)

    def _told(self, worker: Worker, now: Now, why: str) -> None:
        self._note("assigned", worker, now, f"{', '.join(worker.assigned) or 'nothing'}: {why}")

    def _count_live(self) -> int:
        return self.assignments.fleet.size

    def _free_id(self) -> str:
        while (worker_id := self.new_id()) in self.workers:
            pass
        return worker_id


def _unless_silent(verdict: Verdict | None) -> Verdict | None:
    return "unknown" if verdict == "silent" else verdict


def reports_named(worker: Worker, service: str) -> ServiceReport | None:
    """What a worker reports of one service."""
    return next((report for report in worker.services or () if report.name == service), None)
