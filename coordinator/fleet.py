"""The fleet as placement sees it: how many workers there are of each sort, and how well services are covered.

Kept up to date worker by worker, so that no decision looks at every worker: workers that are alike in what
they can take, what they were told and what they serve are one `Member`, and are counted. Pure; sets of
services are bit masks (see Catalog).
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from coordinator.catalog import Catalog
from coordinator.resources import UNSAID, Resources
from edgeproxy.cluster.services import WorkerType

EDGE_SLOTS: Final = 2
FEW: Final = 3  # services of a CPU worker while the fleet is small
USUAL: Final = 2


class Kind(NamedTuple):
    """What a machine may be given: `able` services, and room for them in MiB (-1: not said)."""

    lane: WorkerType
    able: int
    memory: int = UNSAID
    vram: int = UNSAID


class Member(NamedTuple):
    """One sort of worker. `held` is what it was told to run, `serving` what counts as coverage: told and not
    known to fail, or really running. One that is not `open` takes nothing new and gives nothing up (an agent
    that obeys no heartbeat, a worker under suspicion)."""

    kind: Kind
    held: int = 0
    serving: int = 0
    open: bool = True


def kind_of(
    catalog: Catalog, worker_type: WorkerType, machine: Resources, runnable: Collection[str] | None = None
) -> Kind:
    """What a machine of this type may be given. A GPU box gets CPU work only if it can do no GPU work."""
    allowed = -1 if runnable is None else catalog.mask(runnable)
    roomy = catalog.roomy(machine)
    lanes: tuple[WorkerType, ...] = ("gpu", "cpu") if worker_type == "gpu" else (worker_type,)
    for lane in lanes:
        if able := catalog.lanes[lane] & allowed & roomy:
            return Kind(lane, able, *_room(catalog, able, machine))
    return Kind(worker_type, 0)


def _room(catalog: Catalog, able: int, machine: Resources) -> tuple[int, int]:
    """Room is told in GiB, and where something needs it, so that there are few kinds of machines."""
    needs = [row.need for index, row in enumerate(catalog.rows) if able >> index & 1]
    memory = machine.memory // 1024 * 1024 if machine.memory > 0 and any(n.memory for n in needs) else UNSAID
    vram = machine.vram // 1024 * 1024 if machine.vram > 0 and any(n.vram for n in needs) else UNSAID
    return memory, vram


@dataclass(slots=True)
class Fleet:
    """Counts of members, and of who serves what. `serving[i]` is for the service of bit i."""

    catalog: Catalog
    groups: Counter[Member] = field(default_factory=Counter)
    serving: list[int] = field(init=False)
    told: list[int] = field(init=False)
    lanes: Counter[WorkerType] = field(default_factory=Counter)
    size: int = 0
    caps: dict[int, int] = field(default_factory=dict)
    _one: dict[Member, Member] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.serving = [0] * len(self.catalog)
        self.told = [0] * len(self.catalog)

    def add(self, member: Member) -> Member:
        """Count one more; the same member always comes back as the same object."""
        member = self._one.setdefault(member, member)
        self._count(member, 1)
        return member

    def remove(self, member: Member) -> None:
        self._count(member, -1)
        if not self.groups[member]:
            del self.groups[member]
            del self._one[member]

    def replace(self, old: Member, new: Member) -> Member:
        if old == new:
            return old
        self.remove(old)
        return self.add(new)

    def slots(self, kind: Kind, joining: int = 0) -> int:
        """How many services one worker of a kind runs at once: by what it costs to run and to change them.
        A worker that is joining counts already."""
        match kind.lane:
            case "gpu":
                return 1  # a model takes 5-10 GB and 30-60 s to swap
            case "storage":
                return len(self.catalog)
            case "edge":
                return EDGE_SLOTS
        services = self.catalog.lanes["cpu"].bit_count()
        return FEW if (self.lanes["cpu"] + joining) * 2 < services else USUAL

    def most(self, index: int) -> int | None:
        """How many may be told to run a service: its maximum, and here what is left of it to us (`caps`)."""
        maximum, cap = self.catalog.rows[index].maximum, self.caps.get(index)
        return cap if maximum is None else maximum if cap is None else min(maximum, cap)

    def gaps(self) -> list[int]:
        """The services below their minimum, nobody's first, then by urgency."""
        rows = self.catalog.rows
        short = [i for i in self.catalog.urgency if self.serving[i] < rows[i].minimum]
        return sorted(short, key=lambda i: self.serving[i])

    def _count(self, member: Member, by: int) -> None:
        self.groups[member] += by
        self.lanes[member.kind.lane] += by
        self.size += by
        _add_bits(self.serving, member.serving, by)
        _add_bits(self.told, member.held, by)


def _add_bits(counts: list[int], mask: int, by: int) -> None:
    while mask:
        low = mask & -mask
        counts[low.bit_length() - 1] += by
        mask ^= low
