"""The shipped registry, liveness, merge and failover, many of each, under one virtual clock.

    fleet = Fleet(seed=1, workers=40)
    fleet.run(60); fleet.kill("eu"); fleet.run(30)
    fleet.lost(), fleet.overlaps(), fleet.user_errors ...

Simulated are the network, the agents' loop and the edges' choice; decisions are the product's own code.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random

import orjson

from bench.federation.world import Down, World
from coordinator.catalog import CATALOG, Catalog
from coordinator.federation.bridge import Bridge, Life
from coordinator.federation.link import Peer
from coordinator.federation.messages import Exchange
from coordinator.federation.node import Node, Refused
from coordinator.federation.record import Claim, Record
from coordinator.prober import PATIENCE, TRIES, TRY_AGAIN
from coordinator.record import Verdict
from coordinator.registry import Now, Registry, Worker
from coordinator.snapshot import from_row, to_row
from edgeproxy.cluster.homes.failover import Failover, rendezvous
from edgeproxy.cluster.messages import Heartbeat, Registration, ServiceReport

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
REGIONS = ("eu", "us", "apac")
TICK = 0.25
SILENT_MOST = 35.0  # who could reach nobody for long asks every half minute
ONE_SERVICE = Catalog([CATALOG["llm-inference"]])  # assignment has tests of its own


def facts_of(worker: Worker, now: Now) -> bytes:
    return orjson.dumps({"worker_id": worker.worker_id, "status": worker.word})


@dataclass
class Coordinator:
    """One process: all that it has but `disk` dies with it."""

    name: str
    world: World
    peers: list[Peer]
    role: str = "regional"
    accept_rate: float = 2000.0
    skew: float = 0.0
    disk: list[dict[str, object]] = field(default_factory=list)
    lives: dict[str, Life] = field(default_factory=dict)
    boots: int = 0
    accepted: list[float] = field(default_factory=list)
    turned_away: int = 0
    deaths: int = 0

    def __post_init__(self) -> None:
        self.start()
        self.world.every(TICK, self.tick, self.name)
        self.world.every(10.0, self.save, self.name)

    def start(self) -> None:
        self.boots += 1
        boot = int((self.wall() - EPOCH).total_seconds() * 1000 + 10_000_000)
        self.registry = Registry(5.0, lambda: f"{self.name}-{self.world.dice.random()}", catalog=ONE_SERVICE)
        self.node = Node(self.name, max(boot, 1), "primary" if self.role == "primary" else "regional")
        self.node.settled = self.boots == 1
        self.node.accept_rate = self.accept_rate
        self.node.know(self.peers)
        self.bridge = Bridge(self.registry, self.node, facts_of)
        self.registry.restore([from_row(row, self.registry.catalog) for row in self.disk], self.now())
        self.bridge.lives.update({n: life for n, life in self.lives.items() if n in self.registry.workers})
        self.last = self.world.now
        self.paid = 0.0

    def wall(self) -> datetime:
        return EPOCH + timedelta(seconds=self.world.now + self.skew)

    def now(self) -> Now:
        return Now(self.world.now, self.wall())

    def save(self) -> None:
        self.disk = [to_row(worker) for worker in self.registry.workers.values()]
        self.lives = dict(self.bridge.lives)

    def tick(self) -> None:
        now = self.now()
        if now.monotonic - self.last > 2 * TICK:
            self.registry.stalled(self.last, now.monotonic)
        self.last = now.monotonic
        self.registry.advance(now)
        self.bridge.pump(now)
        if not self.node.settled and self.registry.settled(now):
            self.node.settle(now.monotonic)
        self.node.advance(now.monotonic)
        for probe in self.registry.take_probes(100):
            self.probe(probe.worker_id, probe.incarnation)
        for peer, message in self.node.poll(now.monotonic):
            self.exchange(peer, message)

    def exchange(self, peer: Peer, message: Exchange) -> None:
        node, fleet = self.node, FLEETS[id(self.world)]

        def handle() -> Exchange | Refused:
            try:
                return fleet.coordinators[peer.name].node.receive(message, self.world.now)
            except Refused as refused:
                return refused

        def answered(answer: Exchange | Refused) -> None:
            if node is not self.node:
                return
            if isinstance(answer, Refused):
                if answer.boot:
                    node.outlived(answer.boot, self.world.now)
                node.failed(peer.name, self.world.now)
                return
            try:
                node.answered(peer.name, answer, self.world.now)
            except Refused:
                node.failed(peer.name, self.world.now)

        def failed() -> None:
            node.failed(peer.name, self.world.now)

        self.world.ask(self.name, peer.name, handle, answered, failed)

    def probe(self, worker_id: str, incarnation: int) -> None:
        fleet, registry = FLEETS[id(self.world)], self.registry

        def handle() -> Verdict:
            if not fleet.workers[worker_id].alive:
                raise Down
            return "alive"

        def told(verdict: Verdict) -> None:
            registry.probed(worker_id, incarnation, self.now(), direct=verdict, peer="absent")

        hidden = (self.name, worker_id) in self.world.cut or worker_id in fleet.black_holes
        left = TRIES

        def failed() -> None:
            nonlocal left
            left -= 1
            if not hidden and not fleet.workers[worker_id].alive:
                told("refused")
            elif not left:
                told("silent")

        for number in range(TRIES):  # as the prober does, but for those that it spares where one has answered
            patience = PATIENCE - number * TRY_AGAIN
            self.world.at(
                self.world.now + number * TRY_AGAIN,
                partial(self.world.ask, self.name, worker_id, handle, told, failed, timeout=patience),
            )

    def accept(self, agent: "Agent", epoch: int) -> Registration | float | tuple[int, int]:
        """A registration: taken; or seconds to wait; or the life that it must outlive."""
        now = self.world.now
        due = max(self.paid, now)
        if due - now > 1.0:
            self.turned_away += 1
            return due - now
        self.paid = due + 1 / self.accept_rate
        life = Life(f"key-{agent.name}", agent.incarnation, epoch, Claim(f"signed for {self.name}", agent.body))
        if (known := self.bridge.outlived(life)) is not None:
            return known
        self.registry.register(agent.registration, self.now())
        self.bridge.registered(agent.name, life)
        self.accepted.append(now)
        return agent.registration

    def hear(self, agent: "Agent") -> bool:
        return self.registry.heartbeat(agent.beat, self.now()) is not None


@dataclass
class Agent:
    """A lent machine: alive or dead, and the shipped failover."""

    name: str
    world: World
    region: str
    interval: float = 5.0
    alive: bool = True
    skew: float = 0.0
    incarnation: int = 1
    registered: bool = False
    orphaned_at: float | None = None
    busy: bool = False

    def __post_init__(self) -> None:
        self.body = orjson.dumps({"worker_id": self.name})
        report = ServiceReport(name="llm-inference", service_url=f"http://{self.name}:8105", status="healthy")
        capabilities = {"worker_type": "gpu", "has_gpu": True}
        self.registration = Registration(worker_id=self.name, capabilities=capabilities, services=[report])
        self.beat = Heartbeat(worker_id=self.name, services=[report])
        others = [name for name in rendezvous(self.name, REGIONS) if name != self.region]
        self.failover = Failover(
            self.name, self.region, (*others, "core"), self.interval, Random(f"{self.world.seed} {self.name}")
        )
        self.world.at(self.world.dice.uniform(0, 2), self.act)

    def act(self) -> None:
        """The agent's loop, one step at a time."""
        if not self.alive or self.busy:
            return
        step = self.failover.step(self.world.now)
        if not self.registered and not self.failover.orphaned:
            self.claim(self.failover.home)
        elif step.at > self.world.now + 1e-6:
            self.world.at(step.at, self.act)
        elif step.action == "claim":
            self.claim(step.name)
        else:
            self.heartbeat()

    def heartbeat(self) -> None:
        home = FLEETS[id(self.world)].coordinators[self.failover.home]
        self.busy = True

        def answered(known: bool) -> None:
            if known:
                node, self.orphaned_at = home.node, None
                self.failover.heard(
                    self.world.now,
                    interval=home.registry.interval,
                    workers=len(home.registry.workers),
                    accept_rate=node.accept_rate,
                )
            else:
                self.registered = False
            self.done()

        self.world.ask(self.name, home.name, lambda: home.hear(self), answered, self.missed)

    def broken(self, home: str) -> None:
        """The connection to the coordinator broke."""
        if self.alive and not self.busy and self.registered and self.failover.home == home:
            self.missed()

    def missed(self) -> None:
        if self.orphaned_at is None:
            self.orphaned_at = self.world.now
        self.failover.missed(self.world.now)
        self.done()

    def claim(self, name: str) -> None:
        target = FLEETS[id(self.world)].coordinators[name]
        epoch = self.failover.next_epoch()
        self.busy = True

        def answered(answer: Registration | float | tuple[int, int]) -> None:
            now = self.world.now
            if isinstance(answer, Registration):
                if self.orphaned_at is not None and self.registered:
                    FLEETS[id(self.world)].orphan_times.append(now - self.orphaned_at)
                self.registered, self.orphaned_at = True, None
                self.failover.claimed(name, now, target.registry.interval)
            elif isinstance(answer, tuple):
                self.incarnation, self.failover.epoch = max(self.incarnation, answer[0]), max(epoch, answer[1])
            elif self.failover.orphaned:
                self.failover.refused(name, now, answer)
            else:
                self.world.at(now + answer * self.world.dice.uniform(1, 1.5), self.done)
                return
            self.done()

        def failed() -> None:
            if self.failover.orphaned or self.registered:
                self.failover.refused(name, self.world.now)
            else:
                self.failover.missed(self.world.now)
                self.world.at(self.failover.step(self.world.now).at, self.done)
                return
            self.done()

        self.world.ask(self.name, name, lambda: target.accept(self, epoch), answered, failed)

    def done(self) -> None:
        self.busy = False
        self.act()

    def die(self) -> None:
        self.alive = self.registered = False

    def revive(self) -> None:
        self.alive, self.busy, self.incarnation = True, False, self.incarnation + 1
        self.failover.epoch = 0
        self.act()


@dataclass
class Edge:
    """An edge proxy: the list of its coordinator (the last one while that is away), and what it saw itself."""

    name: str
    region: str
    known: dict[str, str] = field(default_factory=dict)
    ejected: dict[str, float] = field(default_factory=dict)


FLEETS: dict[int, "Fleet"] = {}


@dataclass
class Fleet:
    """Three regions and a primary `core`, the workers spread over the regions, an edge beside each."""

    seed: int
    workers_count: int = 40
    loss: float = 0.0
    accept_rate: float = 2000.0
    users: bool = True
    skews: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.world = World(self.seed, loss=self.loss)
        FLEETS[id(self.world)] = self
        self.black_holes: set[str] = set()
        names = (*REGIONS, "core")
        peers = [Peer(n, "primary" if n == "core" else "regional", f"http://{n}") for n in names]
        for one in names:
            for other in names:
                self.world.legs[one, other] = 0.001 if one == other else 0.05
        self.coordinators = {
            name: Coordinator(
                name,
                self.world,
                peers,
                "primary" if name == "core" else "regional",
                self.accept_rate,
                self.skews.get(name, 0.0),
            )
            for name in names
        }
        self.workers = {
            f"w{i}": Agent(f"w{i}", self.world, REGIONS[i % len(REGIONS)]) for i in range(self.workers_count)
        }
        self.edges = [Edge(f"edge-{region}", region) for region in REGIONS]
        self.user_errors = self.requests = self.retried = 0
        self.ever_died: set[str] = set()
        self.isolated_at: dict[str, float] = {}
        self.orphan_times: list[float] = []
        if self.users:
            for edge in self.edges:
                self.world.every(1.0, partial(self.refresh, edge))
                self.world.every(0.5, partial(self.request, edge))

    def close(self) -> None:
        FLEETS.pop(id(self.world), None)

    def run(self, seconds: float) -> None:
        self.world.run(self.world.now + seconds)

    # nemeses

    def kill(self, name: str) -> None:
        """kill -9: connections break, so agents hear of it at once."""
        self.world.down.add(name)
        for agent in self.workers.values():
            self.world.at(self.world.now + self.world.dice.uniform(0.01, 0.06), partial(agent.broken, name))

    def kill_worker(self, name: str) -> None:
        self.ever_died.add(name)
        self.workers[name].die()

    def restart(self, name: str) -> None:
        self.world.down.discard(name)
        self.coordinators[name].start()

    # edges and users

    def refresh(self, edge: Edge) -> None:
        for name in (edge.region, *(n for n in (*REGIONS, "core") if n != edge.region)):
            coordinator = self.coordinators[name]
            paused = self.world.paused.get(name, 0) > self.world.now
            if paused or name in self.world.down or (edge.name, name) in self.world.cut:
                continue
            listed = {r.key: r.home for r in coordinator.node.routable(self.world.now)}
            if listed or coordinator.node.settled:
                edge.known = listed if coordinator.node.settled else {**edge.known, **listed}
                return

    def request(self, edge: Edge) -> None:
        now = self.world.now
        usable = [k for k in edge.known if edge.ejected.get(k, 0) <= now]
        if not usable:
            if edge.known or now > 30:
                self.user_errors += 1
            return
        self.requests += 1
        for attempt in range(3):
            if not usable:
                break
            key = usable.pop(self.world.dice.randrange(len(usable)))
            if self.workers[key.removeprefix("key-")].alive:
                self.retried += attempt > 0
                return
            edge.ejected[key] = now + 10.0
        self.user_errors += 1

    # what must hold

    def up(self) -> list[Coordinator]:
        return [c for name, c in self.coordinators.items() if name not in self.world.down]

    def views(self) -> dict[str, frozenset[tuple[str, str, tuple[int, int]]]]:
        return {c.name: frozenset((r.key, r.home, r.life) for r in c.node.routable(self.world.now)) for c in self.up()}

    def lost(self) -> list[str]:
        """Live workers that no coordinator knows."""
        known = {key for c in self.up() for key, record in c.node.view.records.items() if not record.gone}
        reachable = [name for name in self.workers if self.could_be_known(name)]
        return [name for name in reachable if f"key-{name}" not in known]

    def could_be_known(self, name: str) -> bool:
        """It lives, and for a while there has been a coordinator that it could talk to."""
        now, cut = self.world.now, self.world.cut
        awake = [c.name for c in self.up() if self.world.paused.get(c.name, 0.0) <= now]
        if not any((name, c) not in cut and (c, name) not in cut for c in awake):
            self.isolated_at[name] = now
        return self.workers[name].alive and now >= self.isolated_at.get(name, -SILENT_MOST) + SILENT_MOST

    def false_deaths(self) -> list[str]:
        """Live workers that a coordinator called dead."""
        logs = [coordinator.registry.events for coordinator in self.coordinators.values()]
        events = [event for log in logs for event in log.since(f"{log.epoch}-0") or ()]
        dead = [e.worker_id or "" for e in events if e.kind == "status" and e.status == "offline"]
        return [name for name in dead if name not in self.ever_died]

    def overlaps(self) -> list[str]:
        """Workers that are in the registries of two coordinators as live."""
        homes = Counter(w.worker_id for c in self.up() for w in c.registry.workers.values() if w.live)
        return [name for name, count in homes.items() if count > 1]

    def converged(self) -> bool:
        return len(set(self.views().values())) == 1

    def digests_equal(self) -> bool:
        up = self.up()
        return all(len({c.node.view.root(name) for c in up}) == 1 for name in self.coordinators)

    def dead_listed(self) -> list[str]:
        names = {key.removeprefix("key-") for view in self.views().values() for key, _, _ in view}
        return [name for name in names if not self.workers[name].alive]

    def record(self, coordinator: str, worker: str) -> Record | None:
        return self.coordinators[coordinator].node.view.records.get(f"key-{worker}")

    def without_home(self) -> list[str]:
        up = {c.name: c for c in self.up()}
        return [n for n, a in self.workers.items() if a.alive and not _is_at(up.get(a.failover.home), n)]


def _is_at(coordinator: Coordinator | None, worker: str) -> bool:
    found = coordinator.registry.workers.get(worker) if coordinator else None
    return found is not None and found.live
