"""Which services a fleet should have, how many workers each wants, and what kind of worker a machine is.
Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal, cast, get_args

from edgeproxy.cluster.services import SERVICES, ServiceSpec, WorkerType

GapStatus = Literal["critical", "warning", "ok"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A service of the catalogue; `minimum` is the number of workers from which its coverage is "ok"."""

    spec: ServiceSpec
    minimum: int = 2  # the loss of one machine costs no user an error

    def gap(self, workers: int) -> GapStatus:
        if workers == 0:
            return "critical"
        return "ok" if workers >= self.minimum else "warning"


CATALOG: Final[Mapping[str, Wanted]] = MappingProxyType(
    {name: Wanted(spec) for name, spec in SERVICES.items()}
)


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
