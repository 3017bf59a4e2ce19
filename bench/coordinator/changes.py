"""How long a change takes to an edge: from a worker's good-bye to the list that the edge has, over real sockets."""

import asyncio
from collections.abc import Callable
from time import perf_counter

from bench.coordinator.program import Coordinator
from edgeproxy.cluster.client import CoordinatorClient
from edgeproxy.cluster.messages import Registration
from edgeproxy.discovery.coordinator import CoordinatorSource
from edgeproxy.discovery.feed import ChangeFeed
from edgeproxy.discovery.snapshot import Snapshot

ROUNDS = 200
FLEET = 200
EDGES = 8
GAP = 0.06  # seconds between changes: each is on its own


async def changes(target: Coordinator, rounds: int = ROUNDS) -> dict[str, float]:
    """Milliseconds until the last of `EDGES` edges has a snapshot without the worker."""
    arrived: dict[str, list[float]] = {}

    def on_snapshot(snapshot: Snapshot) -> None:
        present = {endpoint.host for endpoint in snapshot.all_endpoints()}
        for name, times in arrived.items():
            if name not in present:
                times.append(perf_counter())

    async with CoordinatorClient(target.url, "bench") as client, asyncio.TaskGroup() as group:
        for number in range(FLEET):
            await client.register(_worker(f"fleet-{number}"))
        tasks = [group.create_task(_edge(target, on_snapshot)) for _ in range(EDGES)]
        latencies = [await _one(client, f"leaver-{number}", arrived) for number in range(rounds)]
        for task in tasks:
            task.cancel()
    latencies.sort()
    return {
        "changes": rounds,
        "p50_ms": latencies[rounds // 2] * 1e3,
        "p99_ms": latencies[int(rounds * 0.99)] * 1e3,
        "max_ms": latencies[-1] * 1e3,
    }


async def _edge(target: Coordinator, on_snapshot: Callable[[Snapshot], None]) -> None:
    async with CoordinatorClient(target.url) as client:
        source = CoordinatorSource(client, on_snapshot, refresh_s=30.0)
        async with asyncio.TaskGroup() as group:
            group.create_task(source.run())
            group.create_task(ChangeFeed(client, source.told).run())


async def _one(client: CoordinatorClient, name: str, arrived: dict[str, list[float]]) -> float:
    await client.register(_worker(name))
    await asyncio.sleep(GAP * 4)  # every edge has it by now
    times = arrived[name] = []
    started = perf_counter()
    await client.unregister(name)
    async with asyncio.timeout(30):
        while len(times) < EDGES:
            await asyncio.sleep(0.001)
    del arrived[name]
    return times[EDGES - 1] - started


def _worker(name: str) -> Registration:
    return Registration.model_validate(
        {
            "worker_id": name,
            "capabilities": {"worker_type": "cpu"},
            "services": [{"name": "notes-coa", "service_url": f"http://{name}:8100"}],
        }
    )
