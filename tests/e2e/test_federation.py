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
from tests.redis_sets import Cluster, Sentinels

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


Engine = Redis | Sentinels | Cluster


def one_server(directory: Path) -> Redis:
    return Redis(free_port(), directory)


@pytest.fixture(params=[one_server, Sentinels, Cluster])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    directory = tmp_path / "engine"
    directory.mkdir()
    engine = request.param(directory)
    yield engine
    engine.stop()


def server_of(engine: Engine) -> Redis:
    """The one that has the site's keys."""
    if isinstance(engine, Sentinels):
        return engine.primary()
    return engine.owner("edgeproxy:{main}:w") if isinstance(engine, Cluster) else engine


async def number(session: aiohttp.ClientSession, url: str, name: str) -> float:
    async with session.get(url + "/metrics") as answer:
        lines = [line for line in (await answer.text()).splitlines() if line.startswith(name + " ")]
    return float(lines[0].split()[1])


async def test_two_coordinators_of_one_site_share_an_engine(tmp_path: Path, engine: Engine) -> None:
    site = Site(tmp_path, {name: ("127.0.0.1", free_port()) for name in ("core", "eu")})
    site.environment = {
        "SHARED_STORE_URL": engine.url,
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

    async def the_store_is_back() -> bool:
        return await number(session, site.url("eu"), "coordinator_shared_store_degraded") == 0

    async def the_store_is_away() -> bool:
        """A guess of the operators' key is to be counted there."""
        async with session.post(site.url("eu") + "/api/auth/login", json={"username": "x", "password": "y"}) as answer:
            assert answer.status in (401, 429)
        return await number(session, site.url("eu"), "coordinator_shared_store_away_total") > 0

    try:
        async with aiohttp.ClientSession() as session:
            await until(everywhere)
            assert await number(session, site.url("eu"), "coordinator_shared_store_degraded") == 0
            server = server_of(engine)
            server.kill()
            await until(the_store_is_away)
            assert await everywhere(), "without the engine all is still in memory"
            await asyncio.to_thread(server.start)
            site.kill("core")
            site.start("core")
            await until(everywhere)
            await until(the_store_is_back)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        site.stop()
