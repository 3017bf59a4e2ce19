"""The demo fleet on paper: which programs run, with which environment.

One coordinator; one lent edge machine with edge proxy and balancer; three GPU machines and two CPU machines,
each an agent that registers, is assigned services by the coordinator and launches them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
EXPECTED = {
    "edge-proxy": 1,
    "load-balancer": 1,
    "llm-inference": 2,
    "rag-embeddings": 1,
    "document-processing": 2,
}
EDGE_SERVICES = ("edge-proxy", "load-balancer")
GPU_SERVICES = ("llm-inference", "rag-embeddings")
CPU_SERVICES = ("document-processing",)
OURS = ("EDGEPROXY_", "COORDINATOR_", "AGENT_", "WORKER_", "API_KEY", "TUNNEL_URL", "USE_TUNNEL", "REGION")


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the fleet is reached."""

    edge: int = 8787
    balancer: int = 8090
    coordinator: int = 8080

    @property
    def named(self) -> dict[str, tuple[int, str]]:
        """Port and variable of each listener."""
        return {
            "edge proxy": (self.edge, "EDGEPROXY_PORT"),
            "balancer": (self.balancer, "DEMO_BALANCER_PORT"),
            "coordinator": (self.coordinator, "COORDINATOR_PORT"),
        }


@dataclass(frozen=True, slots=True)
class Member:
    """One program that the launcher starts."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]


def coordinator(ports: Ports, key: str) -> Member:
    environment = {"COORDINATOR_HOST": HOST, "COORDINATOR_PORT": str(ports.coordinator), "API_KEY": key}
    return Member("coordinator", _program("coordinator", "serve"), _environment(environment))


def agents(ports: Ports, key: str, services_file: Path) -> Iterator[Member]:
    """The six lent machines."""
    yield _agent("edge-1", "edge", EDGE_SERVICES, ports, key, services_file)
    for number in (1, 2, 3):
        yield _agent(f"gpu-{number}", "gpu", GPU_SERVICES, ports, key, services_file)
    for number in (1, 2):
        yield _agent(f"cpu-{number}", "cpu", CPU_SERVICES, ports, key, services_file)


def _agent(
    name: str, kind: str, services: tuple[str, ...], ports: Ports, key: str, services_file: Path
) -> Member:
    environment = {
        "COORDINATOR_URL": f"http://{HOST}:{ports.coordinator}",
        "API_KEY": key,
        "WORKER_ID": name,
        "WORKER_TYPE": kind,
        "AGENT_SERVICES": ",".join(services),
        "AGENT_SERVICES_FILE": str(services_file),
    }
    return Member(name, _program("coordinator", "agent"), _environment(environment))


def _program(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", *words)


def _environment(own: Mapping[str, str]) -> dict[str, str]:
    """What the user has, less what steers our programs: the demo is the same whatever the shell has set."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return {**kept, "PYTHONUNBUFFERED": "1", **own}
