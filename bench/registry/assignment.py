"""What it costs to decide who runs what: a fleet that joins, a plan after a third of it is gone, CPU time."""

import random
import time

from coordinator.catalog import CATALOG
from coordinator.fleet import Fleet, Member, kind_of
from coordinator.placement import newcomer, repair
from coordinator.resources import Resources
from edgeproxy.cluster.services import WorkerType

WORKERS = 10_000
LANES: tuple[WorkerType, ...] = ("gpu", "cpu", "cpu", "storage", "edge")


def measure(workers: int = WORKERS) -> dict[str, float]:
    random_ = random.Random(1)
    kinds = [kind_of(CATALOG, random_.choice(LANES), _machine(random_), _runnable(random_)) for _ in range(workers)]
    fleet, members = Fleet(CATALOG), []
    joined = time.process_time()
    for kind in kinds:
        held = newcomer(fleet, kind)
        members.append(fleet.add(Member(kind, held, held)))
    joined = time.process_time() - joined
    # of three services nobody is left, of all the others two thirds of the workers
    lost = CATALOG.mask(["llm-inference", "notes-coa", "edge-proxy"])
    gone = [m for n, m in enumerate(members) if n % 3 == 0 or m.serving & lost]
    for member in gone:
        fleet.remove(member)
    planned = time.process_time()
    steps = repair(fleet)
    planned = time.process_time() - planned
    return {
        "workers": workers,
        "joining_ms": joined * 1e3,
        "repair_ms": planned * 1e3,
        "repair_steps": len(steps),
        "sorts_of_workers": len(fleet.groups),
    }


def _machine(random_: random.Random) -> Resources:
    return Resources(random_.choice((8, 16, 62)) * 1024, random_.choice((4, 6, 8, 24)) * 1024, 8)


def _runnable(random_: random.Random) -> list[str] | None:
    """Most can run all of their type; some have only a part of it installed."""
    return None if random_.random() < 0.7 else [name for name in CATALOG if random_.random() < 0.7]
