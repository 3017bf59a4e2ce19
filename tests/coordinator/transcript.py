"""Runs the events of a transcript against a registry, and writes down what it decides.

A transcript has one line an event, `> time what`, and one a decision, `< time what`. The world here is small:
a worker that `joins` beats every interval and runs what it is assigned, reports it from its next beat on, and
answers probes, until it `dies` (its machine refuses), `vanishes` (nothing comes back), or is `cut` (we cannot
reach it, a peer can) and comes `back`. Events:

    joins NAME.. KIND [old] [nat] [RUNNABLE,..]    an `old` agent does not report; `nat`: nobody can reach it
    dies | vanishes | cut | back | leaves | breaks NAME..      breaks: its connection does
    mute | fails NAME.. [SERVICE]                  sends no heartbeats, but answers; a service of it fails
    drain | cordon | resume NAME
    stall SECONDS                                  we stand still
    restart                                        a new registry, from the records of the old one
    count                                          writes the gaps and the numbers of workers down
    wait                                           time passes up to here
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from coordinator.events import EventLog
from coordinator.registry import Now, Registry, Worker
from coordinator.snapshot import from_row, to_row
from edgeproxy.cluster.messages import Heartbeat, Registration

START = datetime(2026, 1, 2, tzinfo=UTC)
STEP = 0.1
INTERVAL = 5.0


@dataclass
class Machine:
    """A worker as it really is. `path`: what a probe of ours meets there; a peer meets `peer`."""

    name: str
    kind: str
    old: bool = False
    runnable: list[str] | None = None
    path: str = "alive"
    peer: str = "absent"
    beats: bool = True
    failing: set[str] = field(default_factory=set)
    runs: list[str] = field(default_factory=list)
    next_beat: float = 0.0
    is_heard: bool = False

    def reports(self) -> list[dict[str, object]]:
        return [
            {
                "name": name,
                "service_url": f"http://{self.name}:1",
                "status": "unhealthy" if name in self.failing else "healthy",
            }
            for name in self.runs
        ]


class World:
    """Time, machines and one registry; `lines` is the transcript as it happened."""

    def __init__(self) -> None:
        self.time = 0.0
        self.lines: list[str] = []
        self.machines: dict[str, Machine] = {}
        self._begin(Registry(INTERVAL, new_id=lambda: "nobody"))
        self._asleep_until = 0.0
        self.pending: list[tuple[float, str, int, str, str]] = []
        self._doubted: dict[str, float] = {}

    def _begin(self, registry: Registry) -> None:
        self.registry = registry
        registry.events = EventLog(epoch="e")
        self._mark = registry.events.mark

    @property
    def now(self) -> Now:
        return Now(1000.0 + self.time, START + timedelta(seconds=self.time))

    def run(self, script: str) -> str:
        for line in script.splitlines():
            if line.startswith(">"):
                _, at, *words = line.split()
                self.until(float(at))
                self.lines.append(line)
                self.act(words)
                self.note()
            elif not line.startswith("<"):
                self.lines.append(line)
        return "\n".join(self.lines) + "\n"

    def until(self, time: float) -> None:
        """Up to a time: first what comes from the wire, then our timers."""
        while self.time < time - 1e-9:
            self.time = round(self.time + STEP, 3)
            if self.time < self._asleep_until - 1e-9:
                continue
            if self._asleep_until:
                self.registry.stalled(1000.0 + self._slept_at, 1000.0 + self.time)
                self._asleep_until = 0.0
            self._beat()
            self.registry.advance(self.now)
            self._probe()
            self.note()

    def act(self, words: list[str]) -> None:
        verb, *rest = words
        match verb:
            case "joins":
                self._join(rest)
            case "stall":
                self._slept_at, self._asleep_until = self.time, self.time + float(rest[0])
            case "restart":
                self._restart()
            case "count":
                self._count()
            case "drain" | "cordon" | "resume":
                assert getattr(self.registry, verb)(rest[0], self.now)
            case "fails":
                self.machines[rest[0]].failing.add(rest[1])
            case _:
                for name in rest:
                    self._befall(verb, self.machines[name])

    def _befall(self, what: str, machine: Machine) -> None:
        match what:
            case "dies":
                machine.beats, machine.path = False, "refused"
            case "vanishes":
                machine.beats, machine.path = False, "silent"
            case "cut":
                machine.beats, machine.path, machine.peer = False, "silent", "alive"
            case "mute":
                machine.beats = False
            case "breaks":
                self.registry.broken(machine.name, self.now)
                self._probe()
            case "leaves":
                machine.beats = False
                self.registry.unregister(machine.name, self.now)
            case "back":
                machine.beats, machine.path, machine.peer = True, "alive", "absent"
                machine.next_beat, machine.is_heard = self.time + STEP, False
            case _:
                raise ValueError(what)

    def _join(self, words: list[str]) -> None:
        traits = {word for word in words if word in ("old", "nat")}
        words = [word for word in words if word not in traits]
        kinds = [index for index, word in enumerate(words) if word in ("gpu", "cpu", "storage", "edge")]
        names, kind, more = words[: kinds[0]], words[kinds[0]], words[kinds[0] + 1 :]
        for name in expand(names):
            machine = Machine(name, kind, old="old" in traits, runnable=more[0].split(",") if more else None)
            machine.path = "silent" if "nat" in traits else "alive"
            self.machines[name] = machine
            self._register(machine)
        self._probe()

    def _register(self, machine: Machine) -> None:
        body = {
            "worker_id": machine.name,
            "tunnel_url": f"http://{machine.name}:8000",
            "capabilities": {"worker_type": machine.kind},
            "services": None if machine.old else machine.reports(),
            "runnable": machine.runnable,
        }
        self._obey(machine, self.registry.register(Registration.model_validate(body), self.now))

    def _beat(self) -> None:
        for machine in self.machines.values():
            if machine.beats and self.time >= machine.next_beat - 1e-9:
                reports = None if machine.old else machine.reports()
                message = Heartbeat.model_validate({"worker_id": machine.name, "services": reports})
                worker = self.registry.heartbeat(message, self.now)
                machine.is_heard = True
                if worker is None:
                    self._register(machine)
                else:
                    self._obey(machine, worker)

    def _obey(self, machine: Machine, worker: Worker) -> None:
        machine.runs = list(worker.assigned)
        machine.next_beat = round(self.time + (30.0 if machine.old else worker.interval), 3)

    def _probe(self) -> None:
        """Silence takes a second to hear; the rest comes at once."""
        for probe in self.registry.take_probes(1000):
            machine = self.machines[probe.worker_id]
            delay = 1.0 if machine.path == "silent" else 0.0
            peer = machine.peer if probe.why == "doubt" else ""
            self.pending.append((self.time + delay, probe.worker_id, probe.incarnation, machine.path, peer))
            heard = self.registry.workers[probe.worker_id].heard
            if probe.why == "doubt" and self._doubted.get(probe.worker_id) != heard:
                self._doubted[probe.worker_id] = heard  # the first of a doubt: the rest is repetition
                self.lines.append(f"< {self.time:g} probe {probe.worker_id} at {probe.url}")
        due = [entry for entry in self.pending if entry[0] <= self.time + 1e-9]
        self.pending = [entry for entry in self.pending if entry not in due]
        for _, name, incarnation, direct, peer in due:
            self.registry.probed(name, incarnation, self.now, direct=direct, peer=peer or None)  # type: ignore[arg-type]

    def _restart(self) -> None:
        rows = [to_row(worker) for worker in self.registry.workers.values()]
        self._begin(Registry(INTERVAL, new_id=lambda: "nobody"))
        self.registry.restore((from_row(row, self.registry.catalog) for row in rows), self.now)

    def _count(self) -> None:
        registry = self.registry
        states = Counter(worker.status for worker in registry.workers.values())
        running = registry.running(self.now)
        kinds = {machine.kind for machine in self.machines.values()}
        wanted = {name: row for name, row in registry.catalog.items() if row.spec.requires in kinds}
        gaps = {name: row.gap(len(running.get(name, ()))) for name, row in wanted.items()}
        told = ", ".join(f"{n} {status}" for status, n in sorted(states.items())) or "nobody"
        critical = " ".join(name for name, gap in gaps.items() if gap == "critical") or "none"
        self.lines.append(f"< {self.time:g} workers: {told}; critical gaps: {critical}")

    def note(self) -> None:
        """What the registry told since the last time."""
        events = self.registry.events.since(self._mark)
        assert events is not None
        self._mark = self.registry.events.mark
        for event in events:
            worker = self.registry.workers.get(event.worker_id or "")
            if event.kind == "registered" and worker is not None:
                what = f"{worker.worker_id} is {event.status}, runs {', '.join(worker.assigned) or 'nothing'}"
            elif event.kind in ("status", "left", "forgotten", "changed"):
                what = f"{event.worker_id} is {event.kind if event.kind in ('left', 'forgotten') else event.status}"
            elif event.kind == "assigned":
                what = f"{event.worker_id} runs"
            else:
                what = "fleet" if event.kind == "fleet" else f"{event.worker_id} {event.kind}"
            detail = f": {event.detail}" if event.detail else ""
            self.lines.append(f"< {self.time:g} {what}{detail}")


def expand(names: list[str]) -> Iterator[str]:
    """`w1..w20` is twenty names."""
    for name in names:
        first, dots, last = name.partition("..")
        if not dots:
            yield name
            continue
        stem = first.rstrip("0123456789")
        for number in range(int(first[len(stem) :]), int(last[len(stem) :]) + 1):
            yield f"{stem}{number}"
