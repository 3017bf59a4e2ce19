"""`make federation`: three regions and a primary on this machine, an edge, users; one region dies and comes back,
another is told to leave."""

import asyncio
import os
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any, Final

import aiohttp
import structlog

from coordinator.federation.machine import Machine
from coordinator.federation.site import PRIMARY, REGIONS, Site
from edgeproxy.runtime.tasks import hold

MACHINES: Final = 24
USERS: Final = 20  # requests a second
HOST: Final = "127.0.0.1"
STEPS: Final = (
    (8.0, "kill -9", REGIONS[0]),
    (26.0, "started again", REGIONS[0]),
    (34.0, "SIGTERM", REGIONS[1]),
    (44.0, "end", ""),
)
READY_WITHIN: Final = 40.0


class Tally:
    """What users got."""

    def __init__(self) -> None:
        self.good, self.bad = 0, 0
        self.faults: Counter[str] = Counter()

    async def use(self, session: aiohttp.ClientSession, edge: str, service: str = "llm") -> None:
        try:
            async with session.get(f"{edge}/service/{service}/hello") as response:
                text = await response.text()
                self._count(response.status == 200, f"{response.status} {text[:80]}")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._count(False, type(error).__name__)

    def _count(self, well: bool, what: str) -> None:
        self.good += well
        self.bad += not well
        if not well:
            self.faults[what] += 1


def main() -> int:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("warning"))
    with TemporaryDirectory(prefix="federation-") as directory:
        return asyncio.run(_show(Path(directory)))


async def _show(directory: Path) -> int:
    site = Site(directory, {name: (HOST, free_port()) for name in (PRIMARY, *REGIONS)})
    site.environment["COORDINATOR_HEARTBEAT_INTERVAL"] = "2"
    site.prepare()
    for name in site.addresses:
        site.start(name)
    edge_port = free_port()
    edge = start_edge(site, directory, edge_port)
    try:
        async with asyncio.timeout(READY_WITHIN + STEPS[-1][0] + 30), aiohttp.ClientSession() as session:
            await _until_up(session, site)
            return await _play(session, site, f"http://{HOST}:{edge_port}", directory)
    finally:
        edge.terminate()
        edge.wait(15)
        site.stop()


async def _play(session: aiohttp.ClientSession, site: Site, edge: str, directory: Path) -> int:
    machines = _machines(site, directory)
    tasks = [hold(machine.run()) for machine in machines]
    try:
        await _until_served(session, edge)
        tally = await _story(session, site, edge, machines)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    gaps = sorted(gap for machine in machines for gap in machine.gaps)
    median = gaps[len(gaps) // 2] if gaps else 0.0
    print(f"\nusers: {tally.good} served, {tally.bad} failed {dict(tally.faults) or ''}")
    print(f"machines that changed home: {len(gaps)}, in {median:.1f} s (median), {max(gaps, default=0):.1f} s (most)")
    return 1 if tally.bad or not gaps else 0


async def _story(session: aiohttp.ClientSession, site: Site, edge: str, machines: list[Machine]) -> Tally:
    tally, started, steps = Tally(), monotonic(), list(STEPS)
    print(f"{'':>4}  {'homes':40} {'known at the primary':22} users")
    shown = -1
    async with asyncio.TaskGroup() as group:
        while steps:
            at = monotonic() - started
            if at >= steps[0][0]:
                _, what, region = steps.pop(0)
                _do(site, what, region)
                print(f"{at:4.0f}  --- {region} {what}")
            group.create_task(tally.use(session, edge))
            if int(at) != shown:
                shown = int(at)
                await _line(session, site, machines, tally, at)
            await asyncio.sleep(1 / USERS)
    return tally


def _do(site: Site, what: str, region: str) -> None:
    match what:
        case "kill -9":
            site.kill(region)
        case "started again":
            site.start(region)
        case "SIGTERM":
            site.processes[region].terminate()


async def _line(session: aiohttp.ClientSession, site: Site, machines: list[Machine], tally: Tally, at: float) -> None:
    names = {site.url(name): name for name in site.addresses}
    homes = Counter(names.get(machine.client.failover.home, "?") for machine in machines)
    told = "  ".join(f"{name} {homes[name]:2}" for name in (*REGIONS, PRIMARY))
    known = await _read(session, site.url(PRIMARY) + "/api/coordinator/workers")
    rows = known.get("workers", [])
    orphans = sum(row.get("orphaned", False) for row in rows)
    print(f"{at:4.0f}  {told:40} {len(rows):3} workers, {orphans:2} orphans  {tally.good} ok, {tally.bad} failed")


def _machines(site: Site, directory: Path) -> list[Machine]:
    """Each begins with the region that is nearest to it."""
    return [
        Machine(
            f"machine-{number}",
            (site.url(REGIONS[number % len(REGIONS)]),),
            (site.root,),
            directory / f"machine-{number}.json",
        )
        for number in range(MACHINES)
    ]


def start_edge(site: Site, directory: Path, port: int, near: str = REGIONS[0]) -> subprocess.Popen[bytes]:
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("COORDINATOR_", "EDGEPROXY_"))},
        "COORDINATOR_URL": site.url(near),
        "COORDINATOR_TRUST": site.root,
        "COORDINATOR_LIST": str(directory / "edge.json"),
        "EDGEPROXY_HOST": HOST,
        "EDGEPROXY_PORT": str(port),
        "EDGEPROXY_ADMIN_PORT": "0",
        "EDGEPROXY_PROCESSES": "1",
        "LOG_LEVEL": "warning",
    }
    (directory / "edge.json").write_bytes(site.list.dump())
    with (directory / "edge.log").open("ab") as log:
        return subprocess.Popen([sys.executable, "-m", "edgeproxy", "serve"], env=environment, stdout=log, stderr=log)


async def _until_up(session: aiohttp.ClientSession, site: Site) -> None:
    while not all([await _read(session, site.url(name) + "/v1/ping") for name in site.addresses]):
        await asyncio.sleep(0.2)


async def _until_served(session: aiohttp.ClientSession, edge: str) -> None:
    """Until everybody has joined, and the edge knows."""
    good = 0
    while good < MACHINES:
        tally = Tally()
        await tally.use(session, edge)
        good = good + 1 if tally.good else 0
        await asyncio.sleep(0.2)


async def _read(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    try:
        async with session.get(url, timeout=aiohttp.ClientTimeout(total=3)) as response:
            read = await response.json(content_type=None)
            return read if isinstance(read, dict) else {}
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return {}


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        port: int = sock.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(main())
