"""The demo fleet on paper: which programs run, with which environment.

One coordinator; one lent edge machine with edge proxy and balancer; three GPU machines and two CPU machines,
each an agent that registers, is assigned services by the coordinator and launches them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
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
ADMIN_ABOVE = 1000  # the admin listener's port is this much above the public one, as 9787 is above 8787
OURS = ("EDGEPROXY_", "COORDINATOR_", "AGENT_", "WORKER_", "API_KEY", "TUNNEL_URL", "USE_TUNNEL", "REGION")


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the fleet is reached."""

    edge: int = 8787
    balancer: int = 8090
    coordinator: int = 8080

    @property
    def edge_admin(self) -> int:
        return self.edge + ADMIN_ABOVE

    @property
    def balancer_admin(self) -> int:
        return self.balancer + ADMIN_ABOVE

    @property
    def listeners(self) -> list[tuple[str, int, str]]:
        """Name, port, and the variable that moves it."""
        return [
            ("coordinator", self.coordinator, "COORDINATOR_PORT"),
            ("edge proxy", self.edge, "EDGEPROXY_PORT"),
            ("edge proxy's admin", self.edge_admin, "EDGEPROXY_PORT"),
            ("balancer", self.balancer, "DEMO_BALANCER_PORT"),
            ("balancer's admin", self.balancer_admin, "DEMO_BALANCER_PORT"),
        ]


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


def services_text(ports: Ports) -> str:
    """services.toml with this fleet's ports in place of the standard ones."""
    text = files("coordinator.demo").joinpath("services.toml").read_text(encoding="utf-8")
    standard = Ports()
    text = text.replace(f"port = {standard.edge}\n", f"port = {ports.edge}\n")
    return text.replace(f"port = {standard.balancer}\n", f"port = {ports.balancer}\n")


def _agent(name: str, kind: str, services: tuple[str, ...], ports: Ports, key: str, services_file: Path) -> Member:
    environment = {
        "COORDINATOR_URL": f"http://{HOST}:{ports.coordinator}",
        "API_KEY": key,
        "WORKER_ID": name,
        "WORKER_TYPE": kind,
        "AGENT_HOST": HOST,
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
