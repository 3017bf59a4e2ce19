"""Real coordinators: in five network namespaces with a wide area between them; and two that share a Redis."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import aiohttp
import pytest

from bench.federation import spaces
from coordinator.federation.__main__ import free_port
from coordinator.federation.machine import Machine
from coordinator.federation.site import Site
from edgeproxy.runtime.tasks import hold
from tests.redis import Redis

WITHIN = 30.0


async def until(holds: Callable[[], Awaitable[bool]], within: float = WITHIN) -> None:
    async with asyncio.timeout(within):
        while not await holds():
            await asyncio.sleep(0.1)


async def listed(session: aiohttp.ClientSession, url: str) -> set[str]:
    try:
        async with session.get(url + "/api/coordinator/workers") as response:
            return {row["worker_id"] for row in (await response.json())["workers"]}
    except (aiohttp.ClientError, OSError):
        return set()


def test_regions_in_network_namespaces(tmp_path: Path) -> None:
    why = spaces.usable()
    if why is not None:
        pytest.skip(f"network namespaces need root and iproute2: {why}")
    prefix = f"f{os.getpid() % 10000}"
    with spaces.namespaces(prefix):
        ran = subprocess.run(
            [*spaces.inside(prefix, "users"), sys.executable, "-m", "bench.federation.spread", str(tmp_path), prefix],
            capture_output=True,
            text=True,
            timeout=240,
        )
    assert ran.returncode == 0, ran.stderr[-2000:]
    found = json.loads(ran.stdout.splitlines()[-1])
    assert found["listed_while_unplugged"] < 5
    assert len(found["gaps"]) >= found["orphaned"] >= 2


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(free_port(), tmp_path)
    yield server
    server.stop()


async def test_two_coordinators_of_one_site_share_a_redis(tmp_path: Path, server: Redis) -> None:
    site = Site(tmp_path, {name: ("127.0.0.1", free_port()) for name in ("core", "eu")})
    site.environment = {
        "SHARED_STORE_URL": server.url,
        "COORDINATOR_FEDERATION": "",
        "COORDINATOR_TRUST": "",
        "COORDINATOR_HEARTBEAT_INTERVAL": "1",
    }
    site.prepare()
    for name in site.addresses:
        site.start(name)
    machines = [Machine(f"m{n}", (site.url("core"),), (), tmp_path / f"m{n}") for n in range(3)]
    tasks = [hold(machine.run()) for machine in machines]
    names = {machine.name for machine in machines}

    async def everywhere() -> bool:
        return all([await listed(session, site.url(name)) == names for name in site.addresses])

    try:
        async with aiohttp.ClientSession() as session:
            await until(everywhere)
            server.kill()
            await asyncio.sleep(1.0)
            assert await everywhere(), "without the engine all is still in memory"
            server.start()
            site.kill("core")
            site.start("core")
            await until(everywhere)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        site.stop()
