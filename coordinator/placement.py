"""Which services a worker shall run: strategic, and steady.

Gaps first, by (coverage, priority). How many at once depends on what it costs to run them: a GPU loads one
model (5-10 GB, 30-60 s a swap), a CPU box runs two (three while the fleet is small), a storage box all its
databases, an edge box two. A worker that comes back keeps what it had: moving a service costs users more
than an uneven spread. Pure; the order of the fleet does not matter.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Final

from coordinator.catalog import CATALOG
from edgeproxy.cluster.services import ServiceSpec, WorkerType

ALL: Final = len(CATALOG)
_CATALOG_ORDER: Final = {name: index for index, name in enumerate(CATALOG)}


@dataclass(frozen=True, slots=True)
class Member:
    """A worker as placement sees it. `assigned` is what it was told to run, `serving` what counts as
    coverage (told and not known to fail, or really running); `runnable` None means every service of its
    type."""

    worker_id: str
    worker_type: WorkerType
    assigned: tuple[str, ...] = ()
    serving: frozenset[str] = frozenset()
    runnable: frozenset[str] | None = None


def coverage(fleet: Iterable[Member]) -> Counter[str]:
    """How many live workers serve each service."""
    return Counter(name for member in fleet for name in member.serving)


def assign(worker: Member, fleet: Collection[Member]) -> tuple[str, ...]:
    """What a worker that registers shall run. `fleet` are the live workers; its own old record does not
    count."""
    others = [member for member in fleet if member.worker_id != worker.worker_id]
    covered = coverage(others)
    allowed = _eligible(worker)
    kept = [name for name in worker.assigned if name in {spec.name for spec in allowed}]
    if kept:
        return _fill(
            kept, [spec for spec in allowed if not covered[spec.name]], covered, _capacity(worker, others)
        )
    return _fill([], allowed, covered, _capacity(worker, others))


def mend(worker: Member, fleet: Collection[Member]) -> tuple[str, ...]:
    """What a live worker shall run now: the same, plus critical gaps that it has room for. A worker without
    room gives up a service that others serve too: a model swap is dear, a service that nobody has is
    dearer."""
    others = [member for member in fleet if member.worker_id != worker.worker_id]
    covered = coverage([*others, worker])
    gaps = [spec for spec in _eligible(worker) if not covered[spec.name] and spec.name not in worker.assigned]
    capacity = _capacity(worker, others)
    if not gaps:
        return worker.assigned
    if len(worker.assigned) < capacity:
        return _fill(worker.assigned, gaps, covered, capacity)
    return _swap(worker.assigned, min(gaps, key=_order(covered)), coverage(others))


def possible(worker: Member) -> frozenset[str]:
    """The services that the worker may be given at all."""
    return frozenset(spec.name for spec in _eligible(worker))


def _swap(assigned: tuple[str, ...], gap: ServiceSpec, by_others: Counter[str]) -> tuple[str, ...]:
    spare = [name for name in assigned if by_others[name]]
    if not spare:
        return assigned
    given_up = max(spare, key=lambda name: (by_others[name], _CATALOG_ORDER.get(name, ALL)))
    return _sorted([name for name in assigned if name != given_up] + [gap.name])


def _fill(
    kept: Iterable[str], candidates: Iterable[ServiceSpec], covered: Counter[str], capacity: int
) -> tuple[str, ...]:
    names = list(dict.fromkeys(kept))
    for spec in sorted(candidates, key=_order(covered)):
        if len(names) >= capacity:
            break
        if spec.name not in names:
            names.append(spec.name)
    return _sorted(names)


def _eligible(worker: Member) -> list[ServiceSpec]:
    """The services that the worker may be given. A GPU box gets CPU work only if it can do no GPU work."""
    for kind in (worker.worker_type, "cpu") if worker.worker_type == "gpu" else (worker.worker_type,):
        specs = [
            wanted.spec
            for name, wanted in CATALOG.items()
            if wanted.spec.requires == kind and (worker.runnable is None or name in worker.runnable)
        ]
        if specs:
            return specs
    return []


def _capacity(worker: Member, others: Collection[Member]) -> int:
    kinds = {spec.requires for spec in _eligible(worker)}
    if "gpu" in kinds:
        return 1
    if "storage" in kinds:
        return ALL
    if "edge" in kinds:
        return 2
    peers = 1 + sum(member.worker_type == "cpu" for member in others)
    services = sum(wanted.spec.requires == "cpu" for wanted in CATALOG.values())
    return 3 if peers * 2 < services else 2


def _order(covered: Counter[str]) -> Callable[[ServiceSpec], tuple[int, int, int]]:
    return lambda spec: (covered[spec.name], spec.priority, _CATALOG_ORDER[spec.name])


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names, key=lambda name: (CATALOG[name].spec.priority, _CATALOG_ORDER[name])))
