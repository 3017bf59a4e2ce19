"""How many heartbeats with a MAC one core takes: real sockets, one connection a worker, closed loop."""

import asyncio
from time import perf_counter

from bench.coordinator.program import Coordinator
from bench.coordinator.workers import Worker, connect

WORKERS = 1500  # each may send ten a second
SECONDS = 5.0
BATCH = 6000  # heartbeats whose proofs are made before the clock runs


async def heartbeats(target: Coordinator, seconds: float = SECONDS) -> dict[str, float]:
    """`per_core` is by the coordinator's own CPU time."""
    workers = await connect(target.host, target.port, WORKERS)
    for worker in workers:
        await worker.register()
    done, spent, wall = 0, 0.0, 0.0
    while wall < seconds:
        queued = {worker.name: [worker.heartbeat() for _ in range(BATCH // WORKERS)] for worker in workers}
        cpu, started = target.cpu(), perf_counter()
        done += sum(await asyncio.gather(*(_drive(worker, queued[worker.name]) for worker in workers)))
        wall += perf_counter() - started
        spent += target.cpu() - cpu
    for worker in workers:
        worker.line.close()
    return {
        "heartbeats": done,
        "per_second": done / wall,
        "per_core": done / spent,
        "microseconds": spent / done * 1e6,
    }


def _drive(worker: Worker, requests: list[bytes]) -> asyncio.Future[int]:
    """One after the other, each when the last is answered."""
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    waiting = iter(requests)

    def answered(status: int, body: bytes) -> None:
        if status != 200:
            future.set_exception(AssertionError(f"{status}: {body[:200]!r}"))
        elif (request := next(waiting, None)) is None:
            future.set_result(len(requests))
        else:
            worker.line.write(request)

    worker.line.on_answer = answered
    worker.line.write(next(waiting))
    return future
