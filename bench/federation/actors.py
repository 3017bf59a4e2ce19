"""Who lives in the simulated world: coordinators, agents, edges. Decisions are the product's own code."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import orjson

from bench.federation.world import Down, World
from coordinator.catalog import CATALOG, Catalog
from coordinator.federation.bridge import Bridge, Life
from coordinator.federation.handover import Handover
from coordinator.federation.link import Peer
from coordinator.federation.messages import Exchange
from coordinator.federation.node import Node, Refused
from coordinator.federation.record import Claim
from coordinator.prober import PATIENCE, TRIES, TRY_AGAIN
from coordinator.record import Verdict
from coordinator.registry import Now, Registry, Worker
from coordinator.snapshot import from_row, to_row
from edgeproxy.cluster.homes.failover import Failover, rendezvous
from edgeproxy.cluster.messages import Heartbeat, Registration, ServiceReport

if TYPE_CHECKING:
    from bench.federation.simulator import Fleet

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
REGIONS = ("eu", "us", "apac")
TICK = 0.25
DRAIN = 60.0
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
    on_left: Callable[[], None] = lambda: None
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
        self.handover: Handover | None = None
        self.leaves_by = float("inf")
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
        if self.is_left(now.monotonic):
            self.save()
            FLEETS[id(self.world)].kill(self.name)
            self.on_left()

    def is_left(self, now: float) -> bool:
        return self.handover is not None and (now >= self.leaves_by or self.handover.over(self.registry, now))

    def leave(self) -> None:
        """SIGTERM."""
        self.handover, self.leaves_by = Handover(self.node, self.bridge.lives), self.world.now + DRAIN

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
        if self.handover is not None and agent.name not in self.registry.workers:
            raise Down
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

    def move_to(self, agent: "Agent") -> str | None:
        return None if self.handover is None else self.handover.target(agent.name, self.world.now)


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
        if not self.registered and self.failover.turn is None:
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

        def answered(heard: tuple[bool, str | None]) -> None:
            known, move_to = heard
            if known:
                node, self.orphaned_at = home.node, None
                self.failover.heard(
                    self.world.now,
                    interval=home.registry.interval,
                    workers=len(home.registry.workers),
                    accept_rate=node.accept_rate,
                )
                if move_to is not None:
                    self.failover.drained(move_to, self.world.now)
            else:
                self.registered = False
            self.done()

        self.world.ask(self.name, home.name, lambda: (home.hear(self), home.move_to(self)), answered, self.missed)

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
            elif self.failover.turn is not None:
                self.failover.refused(name, now, answer)
            else:
                self.world.at(now + answer * self.world.dice.uniform(1, 1.5), self.done)
                return
            self.done()

        def failed() -> None:
            if self.failover.turn is not None or self.registered:
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
"""By the id of their world."""
