"""Which services a fleet should have, how many workers each wants, and what kind of worker a machine is.
Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal, cast, get_args

from coordinator.resources import NOTHING, Resources, fits
from edgeproxy.cluster.messages import MAX_SERVICES
from edgeproxy.cluster.services import SERVICES, ServiceSpec, WorkerType

MOST_MACHINES: Final = 4096  # sorts of machines whose room is remembered; some 400 KB

GapStatus = Literal["critical", "warning", "ok"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A service of the catalogue. From `minimum` workers its coverage is "ok"; beyond `desired` a newcomer
    takes it only for want of something better; never more than `maximum` are told to run it."""

    spec: ServiceSpec
    minimum: int = 2  # the loss of one machine costs no user an error
    desired: int = 2
    maximum: int | None = None
    need: Resources = NOTHING

    def gap(self, workers: int) -> GapStatus:
        if workers == 0 and self.minimum > 0:
            return "critical"
        return "ok" if workers >= self.minimum else "warning"


class Catalog(Mapping[str, Wanted]):
    """The services by name, in order. Sets of services are kept as integers, one bit a service."""

    def __init__(self, wanted: Iterable[Wanted]) -> None:
        self._by_name: Final = {row.spec.name: row for row in wanted}
        self.rows: Final = tuple(self._by_name.values())
        if len(self.rows) > MAX_SERVICES:
            raise ValueError(f"more than {MAX_SERVICES} services")
        self._bit: Final = {name: 1 << index for index, name in enumerate(self._by_name)}
        self._names: Final[dict[int, tuple[str, ...]]] = {}
        self._roomy: Final[dict[Resources, int]] = {}
        self.urgency: Final = sorted(range(len(self.rows)), key=lambda i: (self.rows[i].spec.priority, i))
        self.lanes: Final[Mapping[WorkerType, int]] = MappingProxyType(
            {lane: self._mask_of_lane(lane) for lane in get_args(WorkerType)}
        )

    def __getitem__(self, name: str) -> Wanted:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self.rows)

    def roomy(self, machine: Resources) -> int:
        """The services that a machine has room for; most machines are like others."""
        mask = self._roomy.get(machine)
        if mask is None:
            if len(self._roomy) >= MOST_MACHINES:
                self._roomy.clear()
            mask = sum(1 << index for index, row in enumerate(self.rows) if fits(row.need, machine))
            self._roomy[machine] = mask
        return mask

    def mask(self, names: Iterable[str]) -> int:
        """The set of these services; names that are not in the catalogue are left out."""
        mask = 0
        for name in names:
            mask |= self._bit.get(name, 0)
        return mask

    def names(self, mask: int) -> tuple[str, ...]:
        """The services of a set, the most urgent first; equal sets give the same object."""
        known = self._names.get(mask)
        if known is None:
            if len(self._names) > 4096:  # many sets are possible, few are met: a cache, not a table
                self._names.clear()
            known = tuple(self.rows[i].spec.name for i in self.urgency if mask >> i & 1)
            self._names[mask] = known
        return known

    def _mask_of_lane(self, lane: WorkerType) -> int:
        return self.mask(row.spec.name for row in self.rows if row.spec.requires == lane)


# a model takes 5-10 GB of a GPU; what a card calls 8 GB is a little less
_NEEDS: Final[Mapping[str, Resources]] = {
    "llm-inference": Resources(vram=7 * 1024),
    "vision-ocr": Resources(vram=5 * 1024),
    "rag-embeddings": Resources(vram=3 * 1024),
}

CATALOG: Final = Catalog(Wanted(spec, need=_NEEDS.get(name, NOTHING)) for name, spec in SERVICES.items())


def worker_type(capabilities: Mapping[str, Any]) -> WorkerType:
    """What the machine says it is; an agent that does not say is judged by what it has. The tier follows
    from it."""
    said = capabilities.get("worker_type")
    if said in get_args(WorkerType):
        return cast(WorkerType, said)
    if capabilities.get("has_gpu") is True or _named(capabilities.get("gpu_type")):
        return "gpu"
    if capabilities.get("has_edge") is True or capabilities.get("has_public_ip") is True:
        return "edge"
    return "storage" if capabilities.get("has_storage") is True else "cpu"


def _named(value: object) -> bool:
    return isinstance(value, str) and value.strip().lower() not in ("", "none", "unknown", "n/a")
