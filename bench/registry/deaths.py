"""How long until a death is seen, in virtual time: the registry as it is shipped, beats with the agent's jitter.

Workers die at any moment between two heartbeats; their machines refuse, or swallow what is sent, or can be
reached by nobody; then a dead process's connection breaks, or nothing says so. A probe of a machine that swallows
takes its whole second. Nobody who lives may be called dead: `false` counts that."""

import heapq
import random
from statistics import quantiles

from bench.registry.fleet import at
from coordinator.record import Verdict
from coordinator.registry import Registry
from coordinator.wheel import TICK
from edgeproxy.cluster.messages import Heartbeat, Registration

FLEET = 400
DEATHS = 3000
GONE_FOR = 40.0
INTERVAL = 5.0


def measure(path: Verdict | None, deaths: int = DEATHS, *, breaks: bool = False) -> dict[str, float]:
    """`path`: what a probe meets at a dead worker's; None: no probe ever reached it. `breaks`: its connection does, and
    so do those of workers that live, now and then."""
    world = _World(path, breaks)
    while len(world.delays) < deaths:
        world.step()
    centiles = quantiles(world.delays, n=100)
    return {
        "deaths": len(world.delays),
        "p50": centiles[49],
        "p99": centiles[98],
        "worst": max(world.delays),
        "false": world.false,
    }


class _World:
    """Somebody dies every second or so, and comes back when `GONE_FOR` is over."""

    def __init__(self, path: Verdict | None, breaks: bool) -> None:
        self._breaks = breaks
        self.delays: list[float] = []
        self.false = 0
        self._path, self._random, self._now = path, random.Random(2), 0.0
        self._registry = Registry(INTERVAL, new_id=lambda: "nobody")
        self._dead: dict[str, float] = {}
        self._beats = [(self._random.uniform(0, INTERVAL), f"w{number}") for number in range(FLEET)]
        self._verdicts: list[tuple[float, str, int, Verdict]] = []
        self._next_death = 20.0
        for _, name in self._beats:
            self._register(name)
        heapq.heapify(self._beats)
        self._mark = self._registry.events.mark

    def step(self) -> None:
        self._now = round(self._now + TICK, 3)
        self._beat()
        if self._now >= self._next_death:
            name = f"w{self._random.randrange(FLEET)}"
            self._dead.setdefault(name, self._next_death)
            if self._breaks:
                self._registry.broken(name, at(self._now))
                self._registry.broken(f"w{self._random.randrange(FLEET)}", at(self._now))
            self._next_death += self._random.uniform(0.5, 1.5)
        self._registry.advance(at(self._now))
        self._probe()
        self._read()

    def _register(self, name: str) -> None:
        body = {"worker_id": name, "capabilities": {}, "services": [], "tunnel_url": f"http://{name}:1"}
        worker = self._registry.register(Registration.model_validate(body), at(0))
        if self._path is not None:
            self._registry.probed(name, worker.incarnation, at(0), direct="alive")

    def _beat(self) -> None:
        while self._beats[0][0] <= self._now:
            due, name = heapq.heappop(self._beats)
            died = self._dead.get(name)
            if died is not None and due - died > GONE_FOR:
                del self._dead[name]
                died = None
            if died is None or due < died:
                self._registry.heartbeat(Heartbeat(worker_id=name, services=[]), at(due))
            heapq.heappush(self._beats, (due + INTERVAL * self._random.uniform(0.9, 1.0), name))

    def _probe(self) -> None:
        for probe in self._registry.take_probes(1000):
            dead = probe.worker_id in self._dead
            verdict: Verdict = (self._path or "silent") if dead or self._path is None else "alive"
            takes = 1.0 if verdict == "silent" else 0.05
            heapq.heappush(self._verdicts, (self._now + takes, probe.worker_id, probe.incarnation, verdict))
        while self._verdicts and self._verdicts[0][0] <= self._now:
            _, name, incarnation, verdict = heapq.heappop(self._verdicts)
            self._registry.probed(name, incarnation, at(self._now), direct=verdict, peer="absent")

    def _read(self) -> None:
        for event in self._registry.events.since(self._mark) or ():
            if event.kind == "status" and event.status == "offline" and event.worker_id is not None:
                died = self._dead.get(event.worker_id)
                if died is None:
                    self.false += 1
                else:
                    self.delays.append(self._now - died)
        self._mark = self._registry.events.mark
