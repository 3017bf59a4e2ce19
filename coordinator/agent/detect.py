"""What kind of worker a machine is: facts in, a verdict with reasons out. Pure; the facts come from `probe`.

The rule is the seed's: a GPU makes it `gpu`; a public address or a short way to the coordinator `edge`; a data
directory `storage`; anything else is `cpu`. The owner's word (WORKER_TYPE) wins over all of it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final

from coordinator.agent.settings import WorkerChoice
from edgeproxy.cluster.services import WorkerType

LOW_LATENCY: Final = 50.0  # milliseconds, the seed's


@dataclass(frozen=True, slots=True)
class Gpu:
    """As nvidia-smi names it; memory as "24576 MiB"."""

    name: str
    memory: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found. `gpu` and `latency_ms` are None where there is none, or none could be had."""

    hostname: str
    cpu_cores: int
    memory: int  # bytes
    gpus: Sequence[Gpu] = ()
    addresses: Sequence[str] = ()
    latency_ms: float | None = None
    data_directories: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """One question that was asked, its answer, and why."""

    name: str
    passed: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The type, and the checks in the order in which they decide."""

    worker_type: WorkerType
    checks: tuple[Check, ...]
    capabilities: dict[str, Any]


def decide(facts: Facts, wanted: WorkerChoice) -> Verdict:
    """What the machine shall register as."""
    checks = (_gpu(facts), _public(facts), _near(facts), _storage(facts))
    worker_type = _by_rule(*(check.passed for check in checks)) if wanted == "auto" else wanted
    told = Check(
        "WORKER_TYPE", wanted != "auto", "not set, it is found out" if wanted == "auto" else f"set to {wanted}"
    )
    return Verdict(worker_type, (told, *checks), _capabilities(facts, checks, worker_type, wanted))


def _by_rule(gpu: bool, public: bool, near: bool, storage: bool) -> WorkerType:
    if gpu:
        return "gpu"
    if public or near:
        return "edge"
    return "storage" if storage else "cpu"


def _gpu(facts: Facts) -> Check:
    names = ", ".join(gpu.name for gpu in facts.gpus)
    return Check(
        "gpu", bool(facts.gpus), f"nvidia-smi shows {names}" if names else "nvidia-smi shows none, or is absent"
    )


def _public(facts: Facts) -> Check:
    public = public_address(facts.addresses)
    if public:
        return Check("public address", True, f"{public} is reachable in the whole internet")
    return Check("public address", False, f"none among {', '.join(facts.addresses) or 'our addresses'}")


def _near(facts: Facts) -> Check:
    if facts.latency_ms is None:
        return Check("low latency", False, "the coordinator did not answer")
    near = facts.latency_ms < LOW_LATENCY
    return Check(
        "low latency",
        near,
        f"{facts.latency_ms:.2f} ms to the coordinator, {'' if near else 'not '}below {LOW_LATENCY:g}",
    )


def _storage(facts: Facts) -> Check:
    found = ", ".join(facts.data_directories)
    return Check("storage", bool(found), f"there is {found}" if found else "there is neither /data nor /chroma")


def public_address(addresses: Iterable[str]) -> str | None:
    """The first IPv4 address that the whole internet can mean. Not IPv6: at home those are global too, and
    closed by the router."""
    for text in addresses:
        address = _parsed(text)
        if isinstance(address, IPv4Address) and address.is_global and not address.is_multicast:
            return text
    return None


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None


def _capabilities(
    facts: Facts, checks: tuple[Check, ...], worker_type: WorkerType, wanted: WorkerChoice
) -> dict[str, Any]:
    """In the words of the seed's clients. A machine whose owner says cpu or storage does not offer to be an edge."""
    gpu, public, near, storage = (check.passed for check in checks)
    offers_edge = (public or near) and wanted in ("auto", "edge", "gpu")
    found: dict[str, Any] = {
        "hostname": facts.hostname,
        "cpu_cores": facts.cpu_cores,
        "ram": f"{facts.memory // 1024**3}GB",
        "worker_type": worker_type,
        "has_gpu": gpu,
        "has_edge": offers_edge or worker_type == "edge",
        "has_public_ip": public,
        "low_latency": near,
        "has_storage": storage,
    }
    if facts.gpus:
        found |= {"gpu_type": facts.gpus[0].name, "gpu_memory": facts.gpus[0].memory, "gpu_count": len(facts.gpus)}
    if public:
        found["public_ip"] = public_address(facts.addresses)
    if facts.latency_ms is not None:
        found["latency_ms"] = round(facts.latency_ms, 2)
    return found
