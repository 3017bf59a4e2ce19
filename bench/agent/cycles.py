"""Services are started and ended many times: what is left of them."""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from bench.agent.lent import Fleet, until
from bench.launch import free_port
from coordinator.agent.descriptions import ServiceDescription
from coordinator.agent.place import Site
from coordinator.agent.service import Service

SERVICE = "notes-coa"
GROUP = "import os, time; os.fork(); time.sleep(600)"  # a service with a child of its own


@dataclass
class Left:
    """What there is more of than before the cycles."""

    cycles: int
    processes: int = 0
    descriptors: int = 0
    ports: int = 0
    files: int = 0

    @property
    def nothing(self) -> bool:
        return not (self.processes or self.descriptors or self.ports or self.files)


async def of_services(directory: Path, cycles: int) -> Left:
    """One service, in one agent's loop."""
    description = ServiceDescription(command=[sys.executable, "-S", "-c", GROUP, "{data}"], stop_timeout=5.0)
    site = Site("127.0.0.1", "127.0.0.1", "http://127.0.0.1:1", data=str(directory / "data"))
    port, left = free_port(), Left(cycles)
    async with aiohttp.ClientSession() as session:

        async def one() -> None:
            service = Service(
                SERVICE, description, port, site, dict(os.environ), session, lambda: None, lambda *_: None
            )
            await service.start()
            await service.stop()

        await one()  # what is made once stays: the data directory, a thread's stack
        processes, descriptors, files = _counts(directory)
        for _ in range(cycles):
            await one()
        now = _counts(directory)
    left.processes, left.files = now[0] - processes, now[2] - files
    left.descriptors = max(0, now[1] - descriptors)  # some of before may have been closed since
    left.ports = int(not _free(port))
    return left


def of_agents(directory: Path, cycles: int) -> Left:
    """Whole agents, each serving before it is ended."""
    fleet, left = Fleet(directory, heartbeat=0.2), Left(cycles)
    with fleet.coordinator():
        for _ in range(cycles):
            with fleet.machine("m1", SERVICE) as agent:
                report = until(lambda: _healthy(fleet))
                family = psutil.Process(agent.pid).children(recursive=True)
            left.processes += sum(process.is_running() for process in family)
            left.ports += int(not _free(report["port"]))
    return left


def _healthy(fleet: Fleet) -> dict[str, Any] | None:
    reports = fleet.workers().get("m1", {}).get("services") or []
    return next((report for report in reports if report["status"] == "healthy"), None)


def _counts(directory: Path) -> tuple[int, int, int]:
    """Processes below us, descriptors of ours, files of the services."""
    me = psutil.Process()
    return len(me.children(recursive=True)), me.num_fds(), sum(1 for _ in directory.rglob("*"))


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
