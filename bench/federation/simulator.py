"""The shipped registry, liveness, merge and failover, many of each, under one virtual clock.

    fleet = Fleet(seed=1, workers=40)
    fleet.run(60); fleet.kill("eu"); fleet.run(30)
    fleet.lost(), fleet.overlaps(), fleet.user_errors ...

Simulated are the network, the agents' loop and the edges' choice; decisions are the product's own code.
"""

from collections import Counter
from dataclasses import dataclass, field
from functools import partial

from bench.federation.actors import FLEETS, REGIONS, SILENT_MOST, Agent, Coordinator, Edge
from bench.federation.world import World
from coordinator.federation.link import Peer
from coordinator.federation.record import Record


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

    def drain(self, name: str) -> None:
        """SIGTERM: its workers move, then it is down."""
        self.coordinators[name].leave()

    def leaving(self) -> list[str]:
        return [c.name for c in self.up() if c.handover is not None]

    def kill_worker(self, name: str) -> None:
        self.ever_died.add(name)
        self.workers[name].die()

    def restart(self, name: str) -> None:
        self.world.down.discard(name)
        self.coordinators[name].start()
        self.world.resume(name)

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
