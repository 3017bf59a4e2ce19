"""What kind of worker a machine is: facts in, a verdict with reasons out. Pure; the facts come from `probe`.

The rule is the seed's: a GPU makes it `gpu`; a public address or a short way to the coordinator `edge`; a data
directory `storage`; anything else is `cpu`. The owner's word (WORKER_TYPE) wins over all of it. To be an edge is
a claim until the coordinator has dialled back: what it could not reach is none, and the seed's minimum for an edge
(2 GB of memory, 2 cores) is asked of it too.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final

from coordinator.agent.settings import WorkerChoice
from edgeproxy.cluster.services import WorkerType

LOW_LATENCY: Final = 50.0  # milliseconds, the seed's
LEAST_MEMORY: Final = 2_000_000_000  # bytes, the seed's "2GB RAM (to run coordinator + proxy)"
LEAST_CORES: Final = 2


@dataclass(frozen=True, slots=True)
class Gpu:
    """As nvidia-smi names it; memory as "24576 MiB"."""

    name: str
    memory: str

    @property
    def bytes(self) -> int:
        amount, _, unit = self.memory.partition(" ")
        return int(amount) * 1024**2 if unit == "MiB" and amount.isascii() and amount.isdecimal() else 0


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found. `latency_ms`, `seen_address` and `reachable` (by the coordinator, where it sees us) are None
    where they could not be found out; `storage` is what is free, in bytes."""

    hostname: str
    cpu_cores: int
    memory: int  # bytes
    gpus: Sequence[Gpu] = ()
    addresses: Sequence[str] = ()
    latency_ms: float | None = None
    data_directories: Sequence[str] = ()
    storage: int = 0
    seen_address: str | None = None
    reachable: bool | None = None
    reach_reason: str = "not asked"


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
    checks = (_gpu(facts), _minimum(facts), _public(facts), _near(facts), _reached(facts), _storage(facts))
    found = {check.name: check.passed for check in checks}
    worker_type = _by_rule(found, facts) if wanted == "auto" else wanted
    told = Check(
        "WORKER_TYPE", wanted != "auto", "not set, it is found out" if wanted == "auto" else f"set to {wanted}"
    )
    return Verdict(worker_type, (told, *checks), _capabilities(facts, found, worker_type, wanted))


def _by_rule(found: Mapping[str, bool], facts: Facts) -> WorkerType:
    if found["gpu"]:
        return "gpu"
    if _could_be_edge(found, facts):
        return "edge"
    return "storage" if found["storage"] else "cpu"


def _could_be_edge(found: Mapping[str, bool], facts: Facts) -> bool:
    claim = found["public address"] or found["low latency"]
    return claim and found["edge minimum"] and facts.reachable is not False


def _gpu(facts: Facts) -> Check:
    names = ", ".join(gpu.name for gpu in facts.gpus)
    return Check(
        "gpu", bool(facts.gpus), f"nvidia-smi shows {names}" if names else "nvidia-smi shows none, or is absent"
    )


def _minimum(facts: Facts) -> Check:
    enough = facts.memory >= LEAST_MEMORY and facts.cpu_cores >= LEAST_CORES
    has = f"{facts.memory / 1e9:.1f} GB and {facts.cpu_cores} cores may be used"
    return Check("edge minimum", enough, f"{has}, an edge needs {LEAST_MEMORY / 1e9:g} GB and {LEAST_CORES}")


def _public(facts: Facts) -> Check:
    if own := public_address(facts.addresses):
        return Check("public address", True, f"{own} is reachable in the whole internet")
    if facts.reachable and (seen := public_address([facts.seen_address or ""])):
        return Check("public address", True, f"the coordinator sees {seen}, which is translated to us")
    seen_as = f"; the coordinator sees {facts.seen_address}" if facts.seen_address else ""
    return Check("public address", False, f"none among {', '.join(facts.addresses) or 'our addresses'}{seen_as}")


def _near(facts: Facts) -> Check:
    if facts.latency_ms is None:
        return Check("low latency", False, "the coordinator did not answer")
    near = facts.latency_ms < LOW_LATENCY
    return Check(
        "low latency",
        near,
        f"{facts.latency_ms:.2f} ms to the coordinator, {'' if near else 'not '}below {LOW_LATENCY:g}",
    )


def _reached(facts: Facts) -> Check:
    """What makes the claim to be an edge a fact."""
    outcome = {True: "it reached us", False: "it did not reach us", None: "it was not tried"}[facts.reachable]
    return Check("dialled back", facts.reachable is True, f"{outcome}: {facts.reach_reason}")


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
    facts: Facts, found: Mapping[str, bool], worker_type: WorkerType, wanted: WorkerChoice
) -> dict[str, Any]:
    """In the words of the seed's clients. A machine whose owner says cpu or storage does not offer to be an edge."""
    offers_edge = _could_be_edge(found, facts) and wanted in ("auto", "edge", "gpu")
    told: dict[str, Any] = {
        "hostname": facts.hostname,
        "cpu_cores": facts.cpu_cores,
        "ram": f"{facts.memory // 1024**3}GB",
        "storage": f"{facts.storage / 1024**3:.1f}GB",
        "worker_type": worker_type,
        "has_gpu": found["gpu"],
        "has_edge": offers_edge or worker_type == "edge",
        "edge_verified": facts.reachable is True,
        "has_public_ip": found["public address"],
        "low_latency": found["low latency"],
        "has_storage": found["storage"],
    }
    if facts.gpus:
        told |= {"gpu_type": facts.gpus[0].name, "gpu_memory": facts.gpus[0].memory, "gpu_count": len(facts.gpus)}
    if found["public address"]:
        told["public_ip"] = public_address(facts.addresses) or facts.seen_address
    if facts.latency_ms is not None:
        told["latency_ms"] = round(facts.latency_ms, 2)
    return told
