"""How long a change takes to an edge: from a worker's good-bye to the list that the edge has, over real sockets."""

import asyncio
from time import perf_counter

from bench.coordinator.program import Coordinator
from edgeproxy.cluster.client import CoordinatorClient
from edgeproxy.cluster.messages import Registration
from edgeproxy.discovery.coordinator import CoordinatorSource
from edgeproxy.discovery.feed import ChangeFeed
from edgeproxy.discovery.snapshot import Snapshot

ROUNDS = 100
FLEET = 100
EDGES = 4
FIRST_PORT = 20_000


async def changes(target: Coordinator, rounds: int = ROUNDS) -> dict[str, float]:
    """Milliseconds until the last of `EDGES` edges has a snapshot without the worker."""
    edges = [_Edge() for _ in range(EDGES)]
    async with CoordinatorClient(target.url, "bench") as client, asyncio.TaskGroup() as group:
        # before it is settled edges keep whom they knew beside the list, and a goodbye is not seen
        while not (await client.read("/v1/coordinator"))["settled"]:
            await asyncio.sleep(0.1)
        for number in range(FLEET):
            await client.register(_worker(number))
        tasks = [group.create_task(edge.run(target)) for edge in edges]
        latencies = [await _one(client, FLEET + number, edges) for number in range(rounds)]
        for task in tasks:
            task.cancel()
    latencies.sort()
    return {
        "changes": rounds,
        "p50_ms": latencies[rounds // 2] * 1e3,
        "p99_ms": latencies[int(rounds * 0.99)] * 1e3,
        "max_ms": latencies[-1] * 1e3,
    }


class _Edge:
    """What one edge knows: the ports of its endpoints."""

    def __init__(self) -> None:
        self.ports: set[int] = set()
        self.changed = asyncio.Event()

    async def run(self, target: Coordinator) -> None:
        async with CoordinatorClient(target.url) as client:
            source = CoordinatorSource(client, self._take, refresh_s=30.0)
            async with asyncio.TaskGroup() as group:
                group.create_task(source.run())
                group.create_task(ChangeFeed(client, source.told).run())

    async def until(self, port: int, *, there: bool) -> None:
        while (port in self.ports) is not there:
            self.changed.clear()
            await self.changed.wait()

    def _take(self, snapshot: Snapshot) -> None:
        self.ports = {endpoint.port for endpoint in snapshot.all_endpoints()}
        self.changed.set()


async def _one(client: CoordinatorClient, number: int, edges: list[_Edge]) -> float:
    """A worker comes, every edge has it; it goes, and no edge has it any more."""
    port = FIRST_PORT + number
    async with asyncio.timeout(60):
        await client.register(_worker(number))
        await asyncio.gather(*(edge.until(port, there=True) for edge in edges))
        started = perf_counter()
        await client.unregister(f"worker-{number}")
        await asyncio.gather(*(edge.until(port, there=False) for edge in edges))
        return perf_counter() - started


def _worker(number: int) -> Registration:
    return Registration.model_validate(
        {
            "worker_id": f"worker-{number}",
            "capabilities": {"worker_type": "cpu"},
            "services": [{"name": "notes-coa", "service_url": f"http://127.0.0.1:{FIRST_PORT + number}"}],
        }
    )
