"""What a real primary costs: five regions' exchanges over HTTP, signed, in steady state. CPU time from /proc. And what
it writes to the key-value store meanwhile, of which it keeps the list."""

import asyncio
import os
import subprocess
from pathlib import Path
from typing import Final

import aiohttp

from bench.federation.account import Account, account
from coordinator.federation.__main__ import HOST, free_port
from coordinator.federation.machine import Machine
from coordinator.federation.site import PRIMARY, Site
from edgeproxy.runtime.tasks import hold

REGIONS: Final = ("r1", "r2", "r3", "r4", "r5")
MACHINES: Final = 20
SECONDS: Final = 20.0
SETTLED: Final = 15.0  # after everybody has joined
TICKS: Final = os.sysconf("SC_CLK_TCK")


async def main(directory: Path) -> dict[str, float]:
    site = Site(directory, {name: (HOST, free_port()) for name in (PRIMARY, *REGIONS)})
    async with account() as store:
        site.environment |= store.environment()
        return await _measured(site, store, directory)


async def _measured(site: Site, store: Account, directory: Path) -> dict[str, float]:
    site.prepare()
    for name in site.addresses:
        site.start(name)
    machines = [
        Machine(f"m{n}", (site.url(REGIONS[n % 5]),), (site.root,), directory / f"m{n}") for n in range(MACHINES)
    ]
    tasks = [hold(machine.run()) for machine in machines]
    try:
        async with aiohttp.ClientSession() as session, asyncio.timeout(120):
            while await known(session, site.url(PRIMARY)) < MACHINES:
                await asyncio.sleep(0.5)
            await asyncio.sleep(SETTLED)
            written = store.writes
            before = {name: cpu(site, name) for name in site.addresses}
            await asyncio.sleep(SECONDS)
            spent = {name: (cpu(site, name) - before[name]) / SECONDS * 100 for name in site.addresses}
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        site.stop()
    return {
        "primary_core_percent": round(spent[PRIMARY], 2),
        "region_core_percent": round(sum(spent[name] for name in REGIONS) / len(REGIONS), 2),
        "kv_writes": store.writes - written,
        "kv_writes_at_start": written,
    }


async def known(session: aiohttp.ClientSession, url: str) -> int:
    try:
        async with session.get(url + "/api/coordinator/workers") as response:
            return int((await response.json())["count"])
    except (aiohttp.ClientError, OSError):
        return 0


def cpu(site: Site, name: str) -> float:
    """Of the supervisor and its children."""
    pid = site.processes[name].pid
    children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False, timeout=5)
    return sum(_cpu(int(one)) for one in (str(pid), *children.stdout.split()))


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
