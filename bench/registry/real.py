"""How long until a death is seen, with real processes and sockets: a worker that is killed, whose connection
breaks, and one that is stopped (SIGSTOP), whose connection stays: silence and a probe tell."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median
from time import monotonic

from bench.coordinator.program import coordinator
from edgeproxy.cluster.client import CoordinatorClient

PATIENCE = 30.0


async def measure(how: signal.Signals, deaths: int) -> dict[str, float]:
    random_, found = random.Random(3), []
    async with coordinator() as target, CoordinatorClient(target.url) as client:
        for number in range(deaths):
            name = f"{how.name.lower()}-{number}"
            async with _machine(target.url, name) as pid:
                await asyncio.sleep(1 + random_.uniform(0, 5))
                os.kill(pid, how)
                died = monotonic()
                await _until_unlisted(client, name)
                found.append(monotonic() - died)
    return {"deaths": deaths, "median": median(found), "worst": max(found)}


@asynccontextmanager
async def _machine(url: str, name: str) -> AsyncIterator[int]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.registry.machine", url, name, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            await process.stdout.readline()
        yield process.pid
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _until_unlisted(client: CoordinatorClient, name: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            listed = await client.worker_list()
            assert listed is not None
            if name not in {worker.worker_id for worker in listed.workers}:
                return
            await asyncio.sleep(0.02)
