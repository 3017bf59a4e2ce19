"""Runs inside the namespace `users`: real coordinators in four others, a wide area between them, machines that change
their home. Prints one JSON object with what was measured.

    python -m bench.federation.spread DIRECTORY PREFIX
"""

import asyncio
import json
import sys
from pathlib import Path
from time import monotonic
from typing import Any, Final

import aiohttp

from bench.federation import spaces
from bench.federation.chaos import Chaos
from coordinator.federation.machine import Machine
from coordinator.federation.site import PRIMARY, REGIONS, Site
from edgeproxy.runtime.tasks import hold

MACHINES: Final = 12
DELAYS: Final = {"core": 0.01, "eu": 0.02, "us": 0.04, "apac": 0.08}
LOSS: Final = 0.02
WITHIN: Final = 40.0
PORT: Final = 8080


async def main(directory: Path, prefix: str) -> dict[str, Any]:
    roads = {name: Chaos(spaces.USERS, (spaces.PLACES[name], PORT), DELAYS[name], LOSS) for name in spaces.PLACES}
    for road in roads.values():
        await road.start()
    site = Site(
        directory,
        {name: (address, PORT) for name, address in spaces.PLACES.items()},
        through={name: f"http://{spaces.USERS}:{road.port}" for name, road in roads.items()},
        wrap={name: spaces.inside(prefix, name) for name in spaces.PLACES},
    )
    site.environment |= {"COORDINATOR_HEARTBEAT_INTERVAL": "2", "COORDINATOR_DIAL_BACK": "true"}
    site.prepare()
    for name in site.addresses:
        site.start(name)
    machines = [
        Machine(
            f"m{n}", (site.url(REGIONS[n % 3]), site.url(PRIMARY)), (site.root,), directory / f"m{n}.json", spaces.USERS
        )
        for n in range(MACHINES)
    ]
    tasks: list[asyncio.Task[None]] = []
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)) as session:
            await _until(lambda: _listed(session, site, set()))
            tasks += [hold(machine.run()) for machine in machines]
            return await _story(session, site, machines, prefix)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        site.stop()
        for road in roads.values():
            await road.stop()


async def _story(session: aiohttp.ClientSession, site: Site, machines: list[Machine], prefix: str) -> dict[str, Any]:
    everybody = {machine.name for machine in machines}
    found: dict[str, Any] = {}
    await _until(lambda: _listed(session, site, everybody))
    await _until(lambda: _know_another(machines))
    found["orphaned"] = _at(machines, site.url("eu"))
    spaces.unplug(prefix, "eu")
    found["unplugged"] = await _until(lambda: _away_from(machines, site.url("eu")))
    found["listed_while_unplugged"] = await _until(lambda: _listed(session, site, everybody, but="eu"))
    spaces.unplug(prefix, "eu", plugged=True)
    found["converged_after_plugging"] = await _until(lambda: _listed(session, site, everybody))
    await asyncio.sleep(2)
    found["orphaned"] += _at(machines, site.url("us"))
    site.kill("us")
    found["killed"] = await _until(lambda: _away_from(machines, site.url("us")))
    site.start("us")
    found["converged_after_restart"] = await _until(lambda: _listed(session, site, everybody))
    spaces.cut(prefix, "apac", "users")
    await asyncio.sleep(8)
    spaces.heal(prefix, "apac", "users")
    found["converged_after_one_way_cut"] = await _until(lambda: _listed(session, site, everybody))
    found["gaps"] = sorted(round(gap, 2) for machine in machines for gap in machine.gaps)
    return found


async def _until(holds: Any) -> float:
    started = monotonic()
    async with asyncio.timeout(WITHIN):
        while not await holds():
            await asyncio.sleep(0.1)
    return round(monotonic() - started, 2)


def _at(machines: list[Machine], url: str) -> int:
    return sum(machine.client.failover.home == url for machine in machines)


async def _know_another(machines: list[Machine]) -> bool:
    return all(machine.client.failover.backup for machine in machines)


async def _away_from(machines: list[Machine], url: str) -> bool:
    return all(machine.client.failover.home != url and machine.away is None for machine in machines)


async def _listed(session: aiohttp.ClientSession, site: Site, names: set[str], but: str = "") -> bool:
    """Whether every coordinator lists everybody, once."""
    for name, (host, port) in site.addresses.items():
        if name == but:
            continue
        try:
            async with session.get(f"http://{host}:{port}/api/coordinator/workers") as response:
                rows = (await response.json(content_type=None))["workers"]
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError):
            return False
        if sorted(row["worker_id"] for row in rows) != sorted(names):
            return False
    return True


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))))
